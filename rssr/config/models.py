"""Models and their training in the configuration, and what an entry is at a scale."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rssr.config.block import Block
from rssr.models.names import INTERPOLATIONS, NETWORKS, check_arch

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class File(Block):
    """A file on this machine or on the web."""

    path: str | None = Field(None, description="path, from the folder that snakemake runs in")
    url: str | tuple[str, ...] | None = Field(None, description="https address, or mirrors; a sha256 is then required")
    sha256: Sha256 | None = Field(None, description="hex digest that the file must have")

    @model_validator(mode="after")
    def _one_place(self) -> "File":
        if (self.path is None) == (self.url is None):
            raise ValueError("give either `path` or `url`")
        if self.url is not None and self.sha256 is None:
            raise ValueError("a `url` needs the `sha256` of its file")
        return self


class Tile(Block):
    """Tiles that an image is upscaled in, blended where they overlap."""

    size: int = Field(ge=16, description="side in LR pixels")
    overlap: int = Field(ge=0, description="LR pixels that neighbouring tiles share, at most half of the size")

    @model_validator(mode="after")
    def _not_three_at_once(self) -> "Tile":
        if 2 * self.overlap > self.size:
            raise ValueError(f"an `overlap` of {self.overlap} is more than half of the `size` of {self.size}")
        return self


class Published(Block):
    """What a paper says of a network, to compare with."""

    parameters_m: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")] = Field(
        description="millions of parameters at x4, with the digits that are printed, as a string"
    )
    source: str = Field(description="where it is printed")
    without: tuple[str, ...] = Field((), description="parts of parameter names that the paper leaves out of the count")


class Model(Block):
    """A row of the tables: a network with its weights, a checkpoint, or an interpolation."""

    label: str = Field(description="name in tables and figures")
    note: str | None = Field(None, description="remark shown below the tables, such as where the weights come from")
    arch: str | None = Field(
        None,
        description="a network of models/ by name, or `basicsr:Class`, `spandrel:Package.Class`, `my.module:Class`",
    )
    args: dict[str, Any] = Field({}, description="keyword arguments of the class")
    weights: File | None = Field(None, description="weights to load: safetensors, or a .pth without code in it")
    train: str | None = Field(None, description="a recipe of `training`, instead of `weights`")
    train_on: str | None = Field(None, description="data set to learn from; the tested one by default")
    checkpoint: File | None = Field(
        None, description="a file whose architecture spandrel recognises, instead of `arch`"
    )
    ablates: str | None = Field(None, description="model that this is a variant of, for the table `ablation_{model}`")
    range: Literal[1, 255] = Field(1, description="the network's input and output span 0 to this")
    multiple_of: int = Field(1, ge=1, description="input sides are reflected up to a multiple of this, then cropped")
    strict: bool = Field(True, description="false: weights that do not fit are left out, and listed in the record")
    self_ensemble: bool = Field(False, description="mean over the eight flips and turns of the image, at eight times")
    tile: Tile | None = Field(None, description="upscale in tiles: the network needs the memory of one of them")
    licence: str | None = Field(None, description="licence of code and weights, for `python -m rssr models`")
    source: str | None = Field(None, description="paper or repository, for `python -m rssr models`")
    published: Published | None = Field(None, description="published number of parameters, beside the counted one")

    @model_validator(mode="after")
    def _one_kind(self) -> "Model":
        if (self.arch is None) == (self.checkpoint is None):
            raise ValueError("give either `arch` or `checkpoint`")
        if self.checkpoint is not None and (self.weights or self.train or self.args):
            raise ValueError("a `checkpoint` brings its weights and arguments: leave `weights`, `train`, `args` out")
        if self.checkpoint is not None and (self.range != 1 or not self.strict):
            raise ValueError("`range` and `strict` need the class of the network: give `arch` and `weights` instead")
        if self.train is not None and not self.strict:
            raise ValueError("`strict` is for weights that are loaded, not for `train`")
        if self.train_on is not None and self.train is None:
            raise ValueError("`train_on` needs `train`")
        if self.arch is not None:
            check_arch(self.arch)
            if self.arch in INTERPOLATIONS and (self.weights or self.train):
                raise ValueError("an interpolation has no weights: leave `weights` and `train` out")
            if self.arch not in INTERPOLATIONS and (self.weights is None) == (self.train is None):
                raise ValueError("a network needs either `weights` or `train`")
        return self


class Optimiser(Block):
    """How the weights move."""

    name: Literal["adam", "adamw"] = Field("adam", description="torch.optim's Adam or AdamW")
    lr: float = Field(gt=0, description="learning rate at its highest")
    betas: tuple[float, float] = Field((0.9, 0.99), description="decay of the first and second moment")
    weight_decay: float = Field(0.0, ge=0, description="weight decay")


class Schedule(Block):
    """The learning rate over the iterations, after a linear warm-up."""

    name: Literal["constant", "multistep", "cosine"] = Field("constant", description="shape; cosine ends at zero")
    warmup: int = Field(0, ge=0, description="iterations of linear warm-up")
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="multistep: fractions of the run at which the rate is multiplied"
    )
    gamma: float = Field(0.5, gt=0, description="multistep: the factor")


class Recipe(Block):
    """A way to train, shared by the models that name it."""

    iterations: int | None = Field(None, ge=1, description="optimiser steps, or `epochs`")
    epochs: int | None = Field(None, ge=1, description="passes over the HR images of the train split, a patch of each")
    batch: int = Field(16, ge=1, description="patches per step")
    patch: int = Field(32, ge=8, description="side of the LR patches in pixels")
    loss: Literal["l1", "l2", "charbonnier"] = Field("l1", description="pixel loss on [0, 1]")
    optimiser: Optimiser = Field(description="how the weights move")
    schedule: Schedule = Field(Schedule(), description="learning rate over the iterations")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights that are kept; 0: the last weights")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    precision: Literal["no", "bf16", "fp16"] = Field("no", description="autocast of Accelerate; no: fp32")
    seed: int = Field(10, description="of the initial weights and of every patch")
    checkpoint_every: int = Field(200, ge=1, description="iterations between checkpoints to resume from")
    log_every: int = Field(10, ge=1, description="iterations that a row of the loss curve averages")

    @model_validator(mode="after")
    def _one_length(self) -> "Recipe":
        if (self.iterations is None) == (self.epochs is None):
            raise ValueError("give either `iterations` or `epochs`")
        return self


def entry_at(entry: Mapping[str, Any], scale: int) -> dict[str, Any]:
    """A model's entry, as a dict, at a scale, which is filled in for `{scale}` and given to the suite's networks."""

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [filled(part) for part in value]
        if isinstance(value, str):
            return scale if value == "{scale}" else value.replace("{scale}", str(scale))
        return value

    result = filled(dict(entry)) | {"scale": scale}
    if entry.get("arch") in NETWORKS:
        result["args"] = {"scale": scale} | result.get("args", {}) if scale != 4 else result.get("args", {})
    return result
