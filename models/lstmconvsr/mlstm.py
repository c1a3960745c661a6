"""The mLSTM cell: a matrix memory with exponential gates, in a quadratic and in a linear-time form.

Beck et al., "xLSTM: Extended Long Short-Term Memory" (arXiv 2405.04517), equations 19 to 27, for the cell; Beck et
al., "Tiled Flash Linear Attention" (arXiv 2503.14376) for the chunkwise form. For a token t and the tokens s <= t

    D_ts = sum of logsigmoid(f) over s+1..t, plus i_s        the log of how much of token s is left at token t
    m_t  = max over s of D_ts                                 keeps every exponential at or below one
    S_ts = (q_t . k_s) / sqrt(d) * exp(D_ts - m_t)
    h_t  = sum_s S_ts v_s / (max(|sum_s S_ts|, exp(-m_t)) + eps)

The parallel form writes the S x S matrices out. The chunkwise form does so inside chunks only and hands a state
(the memory sum_s exp(D_s - m) k_s [v_s, 1], and its m) from chunk to chunk. Both use the same maximum, the same
normaliser and the same eps, so they are one function.
"""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-6
FORMS = ("chunkwise", "parallel")


def mlstm(
    q: Tensor, k: Tensor, v: Tensor, igate: Tensor, fgate: Tensor, form: str = "chunkwise", chunk: int = 64
) -> Tensor:
    """Run the cell over a sequence from an empty memory.

    Args:
        q: queries, (B, NH, S, DH).
        k: keys, (B, NH, S, DH); they are scaled by 1/sqrt(DH) here.
        v: values, (B, NH, S, DH).
        igate: input gates before their exponential, (B, NH, S).
        fgate: forget gates before their sigmoid, (B, NH, S).
        form: "chunkwise", linear in S, or "parallel", quadratic and plain.
        chunk: tokens in a chunk of the chunkwise form.

    Returns:
        (B, NH, S, DH) in the dtype of v. The arithmetic is at least fp32, also under autocast.

    Raises:
        ValueError: if the form is not one of FORMS.
    """
    if form not in FORMS:
        raise ValueError(f"mLSTM form {form!r} is unknown: use one of {', '.join(FORMS)}")
    dtype = v.dtype
    work = torch.promote_types(dtype, torch.float32)
    with torch.autocast(device_type=v.device.type, enabled=False):
        q, k, v, igate, fgate = (t.to(work) for t in (q, k, v, igate, fgate))
        k = k * k.shape[-1] ** -0.5
        if form == "parallel":
            return _parallel(q, k, v, igate, fgate).to(dtype)
        return _chunkwise(q, k, v, igate, fgate, min(chunk, v.shape[2])).to(dtype)


def _parallel(q: Tensor, k: Tensor, v: Tensor, igate: Tensor, fgate: Tensor) -> Tensor:
    log_weights = _log_weights(F.logsigmoid(fgate).cumsum(-1), igate)
    maximum = log_weights.amax(-1, keepdim=True)
    scores = (q @ k.mT) * torch.exp(log_weights - maximum)
    return _normalise(scores @ v, scores.sum(-1, keepdim=True), maximum)


def _chunkwise(q: Tensor, k: Tensor, v: Tensor, igate: Tensor, fgate: Tensor, chunk: int) -> Tensor:
    tokens = v.shape[2]
    pad = -tokens % chunk  # empty tokens at the end: no kept output depends on them
    q, k, v = (_chunks(F.pad(t, (0, 0, 0, pad)), chunk) for t in (q, k, v))
    igate, fgate = (_chunks(F.pad(t, (0, pad)), chunk) for t in (igate, fgate))
    values = F.pad(v, (0, 1), value=1.0)  # the last column sums the scores themselves
    decay = F.logsigmoid(fgate).cumsum(-1)  # (B, NH, chunks, chunk), from the start of each chunk

    memory, memory_max = _memories(k, values, igate, decay)
    from_memory = decay + memory_max[..., None]
    inside = _log_weights(decay, igate)
    maximum = torch.maximum(inside.amax(-1), from_memory)[..., None]
    scores = (q @ k.mT) * torch.exp(inside - maximum)
    out = scores @ values + torch.exp(from_memory[..., None] - maximum) * (q @ memory)
    return _normalise(out[..., :-1], out[..., -1:], maximum).flatten(2, 3)[:, :, :tokens]


def _chunks(x: Tensor, chunk: int) -> Tensor:
    return x.unflatten(2, (-1, chunk))


def _memories(k: Tensor, values: Tensor, igate: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    """The memory that each chunk starts from, (B, NH, chunks, DH, DH + 1), and the m that it is scaled by."""
    total = decay[..., -1]
    log_left = total[..., None] - decay + igate  # of each token, at the end of its chunk
    own_max = log_left.amax(-1)
    own = (k * torch.exp(log_left - own_max[..., None])[..., None]).mT @ values
    memory, maximum = torch.zeros_like(own[:, :, 0]), torch.full_like(own_max[:, :, 0], -torch.inf)
    memories, maxima = [memory], [maximum]
    # unbind, not own[:, :, i]: the gradient of an index is a whole tensor of zeros, and time would grow quadratically.
    steps = zip(total.unbind(2), own_max.unbind(2), own.unbind(2), strict=True)
    for total_i, own_max_i, own_i in itertools.islice(steps, own.shape[2] - 1):
        decayed = total_i + maximum
        maximum = torch.maximum(decayed, own_max_i)
        kept, new = torch.exp(decayed - maximum), torch.exp(own_max_i - maximum)
        memory = kept[..., None, None] * memory + new[..., None, None] * own_i
        memories.append(memory)
        maxima.append(maximum)
    return torch.stack(memories, 2), torch.stack(maxima, 2)


def _log_weights(decay: Tensor, igate: Tensor) -> Tensor:
    """D of the module's head, (..., S, S), minus infinity where s > t."""
    size = decay.shape[-1]
    past = torch.ones(size, size, dtype=torch.bool, device=decay.device).tril()
    log_weights = decay[..., :, None] - decay[..., None, :] + igate[..., None, :]
    return log_weights.masked_fill(~past, -torch.inf)


def _normalise(numerator: Tensor, total: Tensor, maximum: Tensor) -> Tensor:
    return numerator / (torch.maximum(total.abs(), torch.exp(-maximum)) + EPS)
