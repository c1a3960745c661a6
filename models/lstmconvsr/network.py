"""The LSTMConvSR network: LSTM stage, convolutional stage and revisiting, as its paper draws it or as it was released.

"LSTMConvSR: Joint Long-Short-Range Modeling via LSTM-First-CNN-Next Architecture for Remote Sensing Image
Super-Resolution", Remote Sensing 2025, 17(15), 2745. Code of the authors: github.com/Doswin/LSTMConvSR (Apache-2.0).
Written anew from the paper's description and checked against outputs of the authors' code.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rssr.models.layers import DF2K_MEAN, check_choice, initialise_linear
from rssr.models.lstmconvsr.mlstm import FORMS
from rssr.models.lstmconvsr.released import arguments_from_released, released
from rssr.models.lstmconvsr.traversal import TRAVERSALS
from rssr.models.lstmconvsr.vil import REDUCTIONS, ViLG, ViLLayer
from rssr.models.released import Released, load_released
from rssr.models.tail import TAILS
from rssr.models.tail import tail as make_tail

ORDERS = ("paper", "released")
REVISITS = ("concat", "sum", "none")
INITIALISATIONS = ("released", "vision_lstm")


class ARRB(nn.Module):
    """Adaptive residual block: x + scale * conv(PReLU(conv(x))), the scale learned."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.prelu = nn.PReLU(init=0.2)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.res_scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return torch.addcmul(x, self.res_scale, self.conv2(self.prelu(self.conv1(x))))


class NeuralBlock(nn.Module):
    """ViLG, then ARRG, then the revisiting convolution that sees both.

    Args:
        channels: of the map.
        vilg: the long-range stage; nn.Identity() leaves it out.
        arrg: the short-range stage; nn.Identity() leaves it out.
        order: "paper" or "released", see LSTMConvSR.
        revisit: "concat", "sum" or "none", see LSTMConvSR.
    """

    def __init__(self, channels: int, vilg: nn.Module, arrg: nn.Module, order: str, revisit: str) -> None:
        super().__init__()
        self.order = order
        self.vilg = vilg
        self.arrg = arrg
        self.how = revisit
        self.revisit = nn.Conv2d(2 * channels, channels, 3, padding=1) if revisit == "concat" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), both sides even -> the same shape."""
        long_range = self.vilg(x)
        short_range = self.arrg(long_range if self.order == "paper" else x)
        if self.how == "concat":
            return self.revisit(torch.cat([short_range, long_range], 1))
        return self.revisit(short_range + long_range if self.how == "sum" else short_range)


class ResidualGroup(nn.Module):
    """Neural blocks, a convolution and a skip around them."""

    def __init__(self, blocks: Sequence[NeuralBlock], channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), both sides even -> the same shape."""
        return x + self.conv(self.blocks(x))


class LSTMConvSR(nn.Module):
    """The whole network: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), any h and w from 8.

    Odd sides are reflected to even ones at the input and cropped at the output; the authors' code refuses them.

    Args:
        scale: upscaling factor.
        channels: width of the body; 128 in the paper, 64 in its compact form.
        groups: neural blocks in each residual group.
        arrbs: residual blocks in each ARRG.
        mlp_ratio: hidden width of the ViLG's MLP over its channels.
        order: "paper" feeds the ARRG with the ViLG's output, "released" with the block's input.
        tail: "classical" convolutions and pixel shuffles at 64 channels, or "light": one convolution, one shuffle.
        init: "released" (every linear layer a truncated normal of 0.02, biases zero, the gates' too) or
            "vision_lstm" (forget biases from 3 to 6, input biases about 0, gate weights zero).
        mlstm_form: "chunkwise" or "parallel", see mlstm(): the same function at another cost.
        traversals: reading orders of the ViL blocks, of traversal.TRAVERSALS; one block each.
        reduce: "haar" (the paper's), "strided", "average" or "none" (ViL at full resolution), see vil.reduction().
        lsa: whether a ViL block ends in the spatial attention.
        revisit: "concat" (the paper's: a convolution over the ARRG's and the ViLG's output), "sum" of the two, or
            "none", the ARRG's output alone.
        vilg: whether a block has its ViLG; without, the block's input takes its place.
        arrg: whether a block has its ARRG; without, the ARRG's input takes its place.
        mean: RGB mean that is subtracted first and added last.
    """

    def __init__(
        self,
        scale: int = 4,
        channels: int = 128,
        groups: Sequence[int] = (1, 1, 1, 1),
        arrbs: int = 12,
        mlp_ratio: float = 4.0,
        order: str = "paper",
        tail: str = "classical",
        init: str = "released",
        mlstm_form: str = "chunkwise",
        traversals: Sequence[str] = TRAVERSALS,
        reduce: str = "haar",
        lsa: bool = True,
        revisit: str = "concat",
        vilg: bool = True,
        arrg: bool = True,
        mean: Sequence[float] = DF2K_MEAN,
    ) -> None:
        super().__init__()
        check_choice("LSTMConvSR", "order", order, ORDERS)
        check_choice("LSTMConvSR", "tail", tail, TAILS)
        check_choice("LSTMConvSR", "init", init, INITIALISATIONS)
        check_choice("LSTMConvSR", "mlstm_form", mlstm_form, FORMS)
        check_choice("LSTMConvSR", "reduce", reduce, REDUCTIONS)
        check_choice("LSTMConvSR", "revisit", revisit, REVISITS)
        for traversal in traversals:
            check_choice("LSTMConvSR", "traversals", traversal, TRAVERSALS)

        def block() -> NeuralBlock:
            long_range = ViLG(channels, mlp_ratio, traversals, reduce, lsa, mlstm_form) if vilg else nn.Identity()
            short_range = nn.Sequential(*(ARRB(channels) for _ in range(arrbs))) if arrg else nn.Identity()
            return NeuralBlock(channels, long_range, short_range, order, revisit)

        self.scale, self.order = scale, order
        variant = (tuple(traversals), reduce, lsa, revisit, vilg, arrg)
        self._ablated = variant != (TRAVERSALS, "haar", True, "concat", True, True)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualGroup([block() for _ in range(blocks)], channels) for blocks in groups))
        self.conv_after_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.tail = make_tail(tail, channels, scale)
        _initialise(self, init)

    @classmethod
    def from_released(cls, config: Mapping, state_dict: Mapping[str, Tensor], order: str = "paper") -> "LSTMConvSR":
        """Build the network from arguments and weights under the names of the authors' code.

        Args:
            config: arguments of the authors' class (embed_dim, depths, CNN_num, ...).
            state_dict: weights under the authors' keys; their dtype is kept.
            order: see the class.

        Raises:
            ValueError: for an argument that has no counterpart here.
            RuntimeError: for keys or shapes that do not fit, by name.
        """
        return load_released(cls(**arguments_from_released(config), order=order), state_dict)

    def released(self) -> Released | None:
        """The names of the authors' code; None for an ablation, which it cannot be."""
        if self._ablated:
            return None
        other = "the authors' code feeds the ARRG with the block's input (`order: released`), this network does not"
        return released(self.state_dict(), self.tail, other if self.order == "paper" else "")

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), unclamped."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="reflect") - self.mean
        x = x.contiguous(memory_format=torch.channels_last)  # a map's tokens are then a view of it
        shallow = self.conv_first(x)
        deep = shallow + self.conv_after_body(self.body(shallow))
        out = self.tail(deep) + self.mean
        return out[..., : self.scale * height, : self.scale * width]

    def features(
        self, x: Tensor, group: int = 0, block: int = 0, arrbs: Sequence[int] = (0, 3, 7, 11)
    ) -> dict[str, Tensor]:
        """The maps inside one neural block: the paper's feature-map figure.

        Args:
            x: (B, 3, h, w) in [0, 1].
            group: which residual group.
            block: which neural block of it.
            arrbs: which residual blocks of its ARRG.

        Returns:
            `ViLG`, `ARRB {i}` for each chosen one and `Revisiting`, each (B, channels, h, w).

        Raises:
            IndexError: for a group, block or ARRB that the network does not have.
        """
        chosen = self.body[group].blocks[block]
        stages = {"ViLG": chosen.vilg, **{f"ARRB {i}": chosen.arrg[i] for i in arrbs}, "Revisiting": chosen.revisit}
        found: dict[str, Tensor] = {}
        hooks = [
            stage.register_forward_hook(lambda _, __, out, name=name: found.update({name: out}))
            for name, stage in stages.items()
        ]
        try:
            self(x)
        finally:
            for hook in hooks:
                hook.remove()
        return {name: out[..., : x.shape[-2], : x.shape[-1]] for name, out in found.items()}


def _initialise(model: nn.Module, init: str) -> None:
    """Linear layers as the authors leave them; `vision_lstm` then gives the gates their memory back.

    The authors' last step resets every nn.Linear, the gates included, so that a memory starts with a half-life of one
    token. Vision-LSTM (vision_lstm.py of github.com/NX-AI/vision-lstm) starts the forget biases at 3 to 6.
    """
    initialise_linear(model)
    if init == "vision_lstm":
        for module in model.modules():
            if isinstance(module, ViLLayer):
                nn.init.zeros_(module.igate.weight)
                nn.init.normal_(module.igate.bias, std=0.1)
                nn.init.zeros_(module.fgate.weight)
                module.fgate.bias.data = torch.linspace(3, 6, module.fgate.out_features)
