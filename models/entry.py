"""The keys of a configuration entry that determine a network, with their defaults and constraints."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from rssr.base.block import SHA256, Block, OwnPath
from rssr.models.names import INTERPOLATIONS, check_arch

Sha256 = Annotated[str, Field(pattern=SHA256), AfterValidator(str.lower)]


class File(Block):
    """A file on this machine or on the web."""

    path: OwnPath | None = Field(
        None, description="path, from the folder that snakemake runs in; what is not there, from the checkout"
    )
    url: str | tuple[str, ...] | None = Field(None, description="https address, or mirrors; a sha256 is then required")
    sha256: Sha256 | None = Field(
        None,
        description="hex digest that the file must have; null for a `url` whose digest is unknown: it is recorded at "
        "first use, and tables state it",
    )

    key: str | None = Field(
        None,
        description="which weights of a file with several, such as `params` beside `params_ema`: a key, keys joined by "
        "dots, or a prefix of names; by default averaged ones come first",
    )

    @model_validator(mode="after")
    def _one_place(self) -> "File":
        if (self.path is None) == (self.url is None):
            raise ValueError("give either `path` or `url`")
        wrong = [url for url in mirrors({"url": self.url}) if not _is_on_the_web(url)] if self.url is not None else []
        if wrong or self.url == ():
            what = "an address such as https://example.org/net.pth" + (f", not '{wrong[0]}'" if wrong else "")
            raise ValueError(f"`url` is {what}; a file on this machine is a `path`")
        if self.url is not None and "sha256" not in self.model_fields_set:
            raise ValueError("a `url` needs the `sha256` of its file, or `sha256: null` if it is unknown")
        return self

    @model_serializer(mode="wrap")
    def _keep_null(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keep an explicit `sha256: null`, which would otherwise be dropped as the default."""
        return serialise(self) | ({"sha256": None} if self.url and self.sha256 is None else {})


def mirrors(file: Mapping[str, Any]) -> list[str]:
    """The addresses of a file on the web, in the order in which they are tried."""
    return [file["url"]] if isinstance(file["url"], str) else list(file["url"])


def _is_on_the_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("https", "http") and bool(urlsplit(url).hostname)
    except ValueError:  # brackets around what is no IPv6 address
        return False


LEAST_TILE = 16  # below, networks see next to nothing around a pixel


class Tile(Block):
    """Upscaling in tiles, which are blended where they overlap."""

    size: int = Field(ge=LEAST_TILE, description="side in LR pixels")
    overlap: int = Field(ge=0, description="LR pixels that neighbouring tiles share, at most half of the size")

    @model_validator(mode="after")
    def _not_three_at_once(self) -> "Tile":
        if 2 * self.overlap > self.size:
            raise ValueError(f"an `overlap` of {self.overlap} is more than half of the `size` of {self.size}")
        return self


def _unwritable(value: Any) -> Iterator[str]:
    """What scripts cannot be given, since it is none of JSON's: binary, sets, infinity, NaN, keys that are no texts."""
    if isinstance(value, Mapping):
        yield from (f"the key {key!r}" for key in value if not isinstance(key, str))
        yield from _unwritable([*value.values()])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _unwritable(part)
    elif isinstance(value, bytes | set) or (isinstance(value, float) and not math.isfinite(value)):
        yield repr(value)


class Network(Block):
    """A network with its weights, a checkpoint, or an interpolation, at any scale."""

    arch: str | None = Field(
        None,
        description="a network of models/ by name, or `basicsr:Class`, `spandrel:Package.Class`, `my.module:Class`",
    )
    args: dict[str, Any] = Field({}, description="keyword arguments of the class")
    weights: File | None = Field(
        None, description="weights to load, named as here or by the authors: safetensors, or a .pth without code in it"
    )
    checkpoint: File | None = Field(
        None, description="a file whose architecture spandrel recognises, instead of `arch`"
    )
    weightless: bool = Field(
        False, description="true: the class has no parameters, as an interpolation of your own has none"
    )
    range: Literal[1, 255] = Field(1, description="the network's input and output span 0 to this")
    multiple_of: int = Field(1, ge=1, description="input sides are reflected up to a multiple of this, then cropped")
    strict: bool = Field(True, description="false: weights that do not fit are left out, and listed in the record")
    self_ensemble: bool = Field(False, description="mean over the eight flips and turns, at eight times the cost")
    tile: Tile | None = Field(None, description="upscale in tiles, which needs the memory of one tile")

    def _has_weights(self) -> bool:
        """Whether the entry says where the weights of its `arch` come from."""
        return self.weights is not None

    @field_validator("args")
    @classmethod
    def _writable(cls, given: dict[str, Any]) -> dict[str, Any]:
        for key, value in given.items():
            for wrong in _unwritable(value):
                kinds = "finite numbers, texts, true, false, null, lists and mappings of texts to these"
                raise ValueError(f"'{key}' may hold {kinds}, not {wrong}")
        return given

    @model_validator(mode="after")
    def _one_kind(self) -> "Network":
        if (self.arch is None) == (self.checkpoint is None):
            raise ValueError("give either `arch` or `checkpoint`")
        if self.checkpoint is not None and (self._has_weights() or self.args):
            raise ValueError("a `checkpoint` brings its weights and arguments: leave `weights`, `train`, `args` out")
        if self.checkpoint is not None and (self.range != 1 or not self.strict):
            raise ValueError("`range` and `strict` need the class of the network: give `arch` and `weights` instead")
        if self.weightless and (self.checkpoint or self._has_weights() or not self.strict):
            others = "`weights`, `train`, `checkpoint` and `strict`"
            raise ValueError(f"`weightless` is for a class without parameters: leave {others} out")
        if self.arch is not None:
            check_arch(self.arch)
        if self.arch in INTERPOLATIONS:
            self._check_interpolation()
        return self

    def _check_interpolation(self) -> None:
        """ValueError for a key that an interpolation would not follow."""
        if self._has_weights():
            raise ValueError("an interpolation has no weights: leave `weights` and `train` out")
        changed = self.model_dump(exclude_defaults=True)
        for key in ("args", "range", "strict", "draws", "weightless"):
            if key in changed:
                raise ValueError(f"`{key}` has no effect on an interpolation: leave it out")


# Keys of a model's entry that do not affect the network, see config.models.Model.
DESCRIPTIVE = (
    "label",
    "note",
    "required",
    "draws",
    "train",
    "train_on",
    "ablates",
    "licence",
    "citation",
    "literature",
)


class Entry(Network):
    """A network at one scale, the input of registry.build()."""

    scale: int = Field(4, ge=1, description="upscaling factor")
