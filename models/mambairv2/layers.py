"""The layer of MambaIRv2: attention in windows, then the attentive state-space module, each with a feed-forward part.

Guo et al., "MambaIRv2: Attentive State Space Restoration" (arXiv 2411.15269), section 3. Maps are (B, H, W, C) here.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rssr.models.mambairv2.selective_scan import selective_scan

MASKED = -100.0  # added to the logits of pairs that are no neighbours in the image, as Swin does
FEED_FORWARDS = ("conv", "gated")
ROUTE_REDUCTION = 3  # channels over the hidden width of the router
DT_REDUCTION = 16  # inner channels over the rank of the step sizes


def depthwise(channels: int, kernel: int) -> nn.Conv2d:
    """A convolution of each channel by itself, same size."""
    return nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)


def on_map(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a convolution to a (B, H, W, C) map."""
    return conv(x.movedim(-1, 1)).movedim(1, -1)


class WindowAttention(nn.Module):
    """Attention among the pixels of each window, with a learned bias per offset (Swin, arXiv 2103.14030).

    Args:
        channels: of the map.
        heads: attention heads.
        window: side of a window.
        shift: by how much the windows are moved right and down; they wrap around, and pixels from opposite edges do
            not see each other.
    """

    def __init__(self, channels: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv = nn.Linear(channels, 3 * channels)
        self.bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.proj = nn.Linear(channels, channels)
        self.register_buffer("index", relative_index(window), persistent=False)
        self.register_buffer("masks", edge_masks(window, shift), persistent=False)
        nn.init.trunc_normal_(self.bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C), both sides multiples of the window -> the same shape."""
        bias = self.bias_table[self.index].movedim(-1, 0)
        qkv = self.qkv(x)
        if not self.shift:
            return self.proj(from_windows(self._attend(to_windows(qkv, self.window), bias)))
        windows = to_windows(qkv.roll((-self.shift, -self.shift), (1, 2)), self.window)
        # One mask for each of four kinds of windows (inner, last column, last row, corner), not one per window.
        rows = [
            torch.cat([self._attend(part, bias + mask) for part, mask in zip(_but_last(row, 2), masks, strict=True)], 2)
            for row, masks in zip(_but_last(windows, 1), self.masks.unflatten(0, (2, 2)), strict=True)
        ]
        return self.proj(from_windows(torch.cat(rows, 1)).roll((self.shift, self.shift), (1, 2)))

    def _attend(self, windows: Tensor, bias: Tensor) -> Tensor:
        """(B, rows, columns, pixels, 3 C) and (heads, pixels, pixels) -> (B, rows, columns, pixels, C).

        Two matrix products, because fvcore counts those and not PyTorch's attention. The bias is added in the type of
        the logits: in bf16 its gradient, a sum over all windows, then reads half the bytes.
        """
        q, k, v = windows.unflatten(-1, (3, self.heads, -1)).permute(4, 0, 1, 2, 5, 3, 6)
        weights = torch.softmax(q * q.shape[-1] ** -0.5 @ k.mT + bias.to(q.dtype), -1)
        return (weights @ v).transpose(3, 4).flatten(4)


def _but_last(windows: Tensor, dim: int) -> tuple[Tensor, ...]:
    return windows.split((windows.shape[dim] - 1, 1), dim)


def to_windows(x: Tensor, window: int) -> Tensor:
    """(B, H, W, C) -> (B, rows, columns, window * window, C)."""
    return x.unflatten(2, (-1, window)).unflatten(1, (-1, window)).transpose(2, 3).flatten(3, 4)


def from_windows(x: Tensor) -> Tensor:
    """The inverse of to_windows()."""
    side = math.isqrt(x.shape[3])
    return x.unflatten(3, (side, side)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def relative_index(window: int) -> Tensor:
    """The row of the bias table for each pair of pixels of a window, (window^2, window^2), int64."""
    row, col = torch.arange(window**2) // window, torch.arange(window**2) % window
    down, right = (side[:, None] - side + window - 1 for side in (row, col))
    return down * (2 * window - 1) + right


def edge_masks(window: int, shift: int) -> Tensor:
    """MASKED for pairs of pixels that only the wrapping around made neighbours, else 0.

    (4, window^2, window^2): of an inner window, one in the last column, in the last row, in both.
    """
    row, col = torch.arange(window**2) // window, torch.arange(window**2) % window
    below, right = (side >= window - shift for side in (row, col))
    apart_row, apart_col = (side[:, None] != side for side in (below, right))
    return MASKED * torch.stack([apart_row & False, apart_col, apart_row, apart_row | apart_col])


class ConvFeedForward(nn.Module):
    """fc2(h + GELU(depthwise h)), h = GELU(fc1 x): that of the base and the small network.

    Args:
        channels: of the map.
        hidden: width between.
        kernel: side of the depthwise convolution.
    """

    def __init__(self, channels: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.depthwise = depthwise(hidden, kernel)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the same shape."""
        h = F.gelu(self.fc1(x))
        return self.fc2(h + F.gelu(on_map(self.depthwise, h)))


class GatedFeedForward(nn.Module):
    """fc2(first * depthwise(LayerNorm(second))) of the two halves of GELU(fc1 x): that of the light network.

    Args:
        channels: of the map.
        hidden: width of both halves together.
        kernel: side of the depthwise convolution.
    """

    def __init__(self, channels: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.norm = nn.LayerNorm(hidden // 2)
        self.depthwise = depthwise(hidden // 2, kernel)
        self.fc2 = nn.Linear(hidden // 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the same shape."""
        first, second = F.gelu(self.fc1(x)).chunk(2, -1)
        return self.fc2(first * on_map(self.depthwise, self.norm(second)))


class ASSM(nn.Module):
    """Attentive state-space module: each pixel picks a prompt, pixels with the same prompt are read together.

    The prompts are the rows of embedding_b @ embedding_a. They are added to C, by which the states are read, so that
    a pixel asks for what its kind of pixel needs; the pixels are sorted by prompt before the scan. As in the authors'
    code, the prompts themselves are added in the image's order, not in the sorted one.

    Args:
        channels: of the map.
        inner: channels of the scan.
        states: per channel of the scan.
        inner_rank: of the table of prompts.
        tokens: rows of that table.
        routing: "sampled" or "argmax", see MambaIRv2.
    """

    def __init__(self, channels: int, inner: int, states: int, inner_rank: int, tokens: int, routing: str) -> None:
        super().__init__()
        rank = math.ceil(inner / DT_REDUCTION)
        self.routing = routing
        self.sizes = (rank, states, states)
        self.route = nn.Sequential(
            nn.Linear(channels, channels // ROUTE_REDUCTION), nn.GELU(), nn.Linear(channels // ROUTE_REDUCTION, tokens)
        )
        self.embedding_a = nn.Parameter(torch.empty(inner_rank, states).uniform_(-1 / inner_rank, 1 / inner_rank))
        self.embedding_b = nn.Parameter(torch.empty(tokens, inner_rank).uniform_(-1 / tokens, 1 / tokens))
        self.in_proj = nn.Linear(channels, inner)
        self.position = depthwise(inner, 3)
        self.x_proj = nn.Linear(inner, sum(self.sizes), bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1, states + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, channels)

    @torch.no_grad()
    def initialise_steps(self) -> None:
        """Step sizes from 0.001 to 0.1, evenly spread in their logarithm (Mamba, arXiv 2312.00752, section 3.6)."""
        rank = self.dt_proj.in_features
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        steps = torch.exp(torch.empty_like(self.dt_proj.bias).uniform_(math.log(0.001), math.log(0.1)))
        self.dt_proj.bias.copy_(steps + torch.log(-torch.expm1(-steps)))  # what softplus makes these steps of

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """(B, H, W, C) -> the same shape; noise as for route_tokens()."""
        tokens = x.flatten(1, 2)
        choice, weights = route_tokens(self.route(tokens), self.routing, noise, self.training)
        prompts = self.embedding_b @ self.embedding_a
        prompts = prompts[choice] if weights is None else weights @ prompts

        h = self.in_proj(x)
        h = (h * torch.sigmoid(on_map(self.position, h))).flatten(1, 2)
        there = torch.sort(choice, dim=-1, stable=True).indices  # ties decide the output
        back = torch.argsort(there, dim=-1)
        out = self.out_proj(self.out_norm(self._scan(_pick(h, there), prompts)))
        return _pick(out, back).view_as(x)

    def _scan(self, u: Tensor, prompts: Tensor) -> Tensor:
        """The scan over tokens, (B, L, inner), whose C is added prompts, (B, L, states)."""
        dt, B, C = self.x_proj(u).split(self.sizes, -1)
        delta = F.linear(dt, self.dt_proj.weight)
        A = -torch.exp(self.A_log.float())
        B, C = B.mT[:, None], (C + prompts).mT[:, None]
        return selective_scan(u.mT, delta.mT, A.to(self.A_log), B, C, self.D, self.dt_proj.bias).mT


def route_tokens(logits: Tensor, routing: str, noise: Tensor, training: bool) -> tuple[Tensor, Tensor | None]:
    """Choose a prompt for each token.

    Args:
        logits: (B, L, prompts).
        routing: "sampled", each prompt with its softmax probability, or "argmax", the most probable one.
        noise: in evaluation, one number in [0, 1) per token, (L,), that a sampled choice is made from: the first
            prompt up to which the probabilities sum to more. The Gumbel noise of the authors draws from the same
            distribution with one number for each prompt of each token.
        training: a sampled choice is then a hard Gumbel softmax (arXiv 1611.01144) on PyTorch's own random numbers.

    Returns:
        The choices, (B, L), and in training their one-hot weights, (B, L, prompts), whose gradient is the softmax's.
    """
    if training and routing == "sampled":
        weights = F.gumbel_softmax(torch.log_softmax(logits, -1), hard=True, dim=-1)
        return weights.detach().argmax(-1), weights
    if routing == "sampled":
        below = torch.softmax(logits.float(), -1).cumsum(-1) <= noise[:, None]
        return below.sum(-1).clamp(max=logits.shape[-1] - 1), None  # the last sum may be rounded to less than one
    choice = logits.argmax(-1)
    if not training:
        return choice, None
    soft = torch.softmax(logits, -1)
    return choice, F.one_hot(choice, logits.shape[-1]) - soft.detach() + soft


def _pick(x: Tensor, index: Tensor) -> Tensor:
    """Tokens of (B, L, C) in the order of index, (B, L)."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


class Layer(nn.Module):
    """Attention in windows and the state-space module, each followed by a feed-forward part and a scaled skip.

    Args:
        channels: of the map.
        attention: the window attention.
        assm: the state-space module.
        feed_forwards: one after each.
    """

    def __init__(
        self, channels: int, attention: WindowAttention, assm: ASSM, feed_forwards: tuple[nn.Module, nn.Module]
    ) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(channels) for _ in range(4))
        self.attention, self.assm = attention, assm
        self.feed_forward1, self.feed_forward2 = feed_forwards
        self.scale1 = nn.Parameter(torch.full((channels,), 1e-4))
        self.scale2 = nn.Parameter(torch.full((channels,), 1e-4))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """(B, H, W, C), both sides multiples of the window -> the same shape; noise as for route_tokens()."""
        local = x + self.attention(self.norm1(x))
        local = local + self.feed_forward1(self.norm2(local))
        x = torch.addcmul(local, self.scale1, x)
        wide = x + self.assm(self.norm3(x), noise)
        wide = wide + self.feed_forward2(self.norm4(wide))
        return torch.addcmul(wide, self.scale2, x)
