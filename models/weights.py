"""Weights files: where they are, written as safetensors, loaded into a network."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from safetensors.torch import save
from torch import Tensor, nn

from rssr.base.errors import UserError
from rssr.base.fetch import download
from rssr.base.files import check_sha256, replacing
from rssr.base.tensors import scale_of


def local_file(file: Mapping[str, Any], downloads: Path) -> Path:
    """The path of a weights file, downloaded if its entry has a `url`, and checked.

    Args:
        file: a File of the configuration, as a dict: `path`, or `url` (one or several mirrors), and `sha256`.
        downloads: folder for downloaded files.

    Raises:
        UserError: for a file that is not there, is available from no mirror or has another checksum.
    """
    if "path" in file:
        path = Path(file["path"])
    else:
        urls, path = _urls(file), remote_path(file, downloads)
        for number, url in enumerate(urls if not path.exists() else []):
            try:
                download(url, path, file["sha256"])
                break
            except UserError:
                if number == len(urls) - 1:
                    raise
    if file.get("sha256"):
        check_sha256(path, file["sha256"])
    return path


def remote_path(file: Mapping[str, Any], downloads: Path) -> Path:
    """Where local_file() stores a downloaded file; the name depends on the content."""
    return downloads / f"{file['sha256'][:12]}-{Path(urlsplit(_urls(file)[0]).path).name}"


def _urls(file: Mapping[str, Any]) -> list[str]:
    return [file["url"]] if isinstance(file["url"], str) else list(file["url"])


def write_weights(path: Path, tensors: Mapping[str, Tensor], scale: int) -> None:
    """Write tensors and the upscaling factor that they are for as safetensors, all or nothing."""
    # Copies, because safetensors refuses tensors that share memory, as tied weights do.
    contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(contiguous, metadata={"scale": str(scale)}))


def check_scale(path: Path, scale: int) -> None:
    """UserError if the file records another upscaling factor, see write_weights()."""
    found = scale_of(path)
    if found not in (None, scale):
        raise UserError(f"{path} has weights for x{found}, but its entry's scale is x{scale}")


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], path: Path, strict: bool = True) -> list[str]:
    """Load tensors into a network.

    A prefix that the network's names do not have, such as Lightning's "model.", is taken off.

    Args:
        network: where to.
        tensors: by name.
        path: their file, for errors.
        strict: whether everything must fit; otherwise what fits is loaded.

    Returns:
        What did not fit, a phrase for each name; empty if all did.

    Raises:
        UserError: if strict, naming what is missing, unknown or of another shape; if not, where nothing fits.
    """
    wanted = network.state_dict()
    tensors = _without_prefix(tensors, wanted)
    problems = [f"'{name}' is missing" for name in wanted if name not in tensors]
    problems += [f"'{name}' is unknown to the network" for name in tensors if name not in wanted]
    problems += [
        f"'{name}' is {tuple(tensors[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    fitting = {name: value for name, value in tensors.items() if name in wanted and value.shape == wanted[name].shape}
    if problems and (strict or not fitting):
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UserError(f"{path} does not fit {type(network).__name__}: {'; '.join(problems[:5])}{more}")
    network.load_state_dict(fitting, strict=not problems)
    return problems


def _without_prefix(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the prefix, such as Lightning's "model.", that hides most of the wanted names, if any."""
    ends = Counter(
        name[: len(name) - len(end)]
        for name in tensors
        for end in (name.split(".", depth)[-1] for depth in range(name.count(".") + 1))
        if end in wanted
    )
    prefix = max(ends, key=ends.get, default="")
    return {name.removeprefix(prefix): value for name, value in tensors.items()}
