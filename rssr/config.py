"""The configuration: what may stand in it, what each key means, and errors that name the key."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rssr.datasets.degradations import DEGRADATIONS, STEPS
from rssr.datasets.registry import MODULES, PUBLISHED
from rssr.errors import UserError, nearest
from rssr.metrics.registry import METRICS
from rssr.models.names import INTERPOLATIONS, NETWORKS, check_arch

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Block(BaseModel):
    """A part of the configuration: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Dataset(Block):
    """A data set: one that the suite knows, or a folder of images."""

    label: str = Field(description="name in tables and figures")
    module: Literal[MODULES] | None = Field(None, description="a module of datasets/")
    images: str | None = Field(None, description="a folder of images of one's own, instead of `module`")
    root: str | None = Field(
        None,
        description="folder that has the images of a published data set, in any known layout; they are downloaded "
        "where neither this nor the environment's RSSR_ROOT_{MODULE} names one",
    )
    subset: bool = Field(False, description="take the part of a published data set that `root` has; titles say so")
    split: dict[Literal["train", "val", "test"], str | tuple[str, ...]] | None = Field(
        None,
        description="split -> glob pattern, or several: below the folder of `images`, or of the source names of a "
        "published data set, instead of the paper's split; val is prepared and not used yet",
    )
    tile: int | None = Field(None, ge=16, description="side of the HR tiles in pixels; the data set's own by default")

    @model_validator(mode="after")
    def _one_source(self) -> "Dataset":
        if (self.module is None) == (self.images is None):
            raise ValueError("give either `module` or `images`")
        if self.images is not None and self.split is None:
            raise ValueError("`images` and `split` go together")
        given = [key for key in ("root", "subset", "split") if getattr(self, key)]
        if self.module not in PUBLISHED and set(given) - ({"split"} if self.images else set()):
            raise ValueError(f"`{given[0]}` is for the published data sets: {', '.join(PUBLISHED)}")
        return self


class Step(Block):
    """A step of a degradation: one of blur, reduce, noise and jpeg."""

    blur: float | None = Field(None, gt=0, description="sigma of a Gaussian, in pixels of the image at that step")
    size: int | None = Field(None, ge=3, description="side of the blur's window, odd; by default it ends at 3 sigma")
    reduce: Literal["nearest", "bilinear", "bicubic", "lanczos"] | None = Field(
        None, description="kernel of MATLAB's imresize; once in each degradation"
    )
    antialias: bool = Field(True, description="whether the reduction stretches its kernel; OpenCV's does not")
    noise: float | None = Field(None, gt=0, description="sigma of Gaussian noise in levels of 8 bits, a seed an image")
    jpeg: int | None = Field(None, ge=1, le=100, description="quality of a JPEG file that the image goes through")

    @model_validator(mode="after")
    def _one_kind(self) -> "Step":
        if sum(getattr(self, name) is not None for name in STEPS) != 1:
            raise ValueError(f"a step has one of {', '.join(STEPS)}")
        if self.size is not None and (self.blur is None or self.size % 2 == 0):
            raise ValueError("`size` is odd and goes with `blur`")
        if not self.antialias and self.reduce is None:
            raise ValueError("`antialias` goes with `reduce`")
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


class Metric(Block):
    """A column of the quality table."""

    required: bool = Field(True, description="false: a metric whose weights cannot be had is a column of dashes")


class Profile(Block):
    """How cost is measured."""

    size: tuple[int, int] = Field((128, 128), description="height and width of the LR input that the tables show")
    further_sizes: tuple[tuple[int, int], ...] = Field((), description="LR inputs that latency is measured at besides")
    batch: int = Field(1, ge=1, description="images per call")
    warmup: int = Field(20, ge=0, description="most calls that are not counted; fewer where their times are steady")
    samples: int = Field(50, ge=3, description="timed calls, or as many as fit in `seconds`")
    seconds: float = Field(10, gt=0, description="time after which no further call is timed; three are in any case")
    precision: Literal["fp32", "bf16", "fp16"] = Field("fp32", description="dtype of autocast; fp32: none")
    compile: Literal["default", "reduce-overhead", "max-autotune"] | None = Field(
        None, description="mode of torch.compile; by default nothing is compiled"
    )


class Statistics(Block):
    """How intervals are computed."""

    resamples: int = Field(10000, ge=100, description="bootstrap resamples of the images")
    confidence: float = Field(0.95, gt=0, lt=1, description="level of the intervals")
    seed: int = Field(0, description="of the resampling")
    reference: str | None = Field(
        None, description="model that the table `significance` compares the others with; the first by default"
    )


class Audit(Block):
    """The same weights under every combination of the measuring protocol."""

    datasets: tuple[str, ...] = Field(min_length=1, description="test sets, by name")
    models: tuple[str, ...] = Field(min_length=1, description="models, by name")
    images: int = Field(100, ge=1, description="how many of a test set, taken evenly")


class Config(Block):
    """The whole configuration."""

    scale: Literal[2, 3, 4] | tuple[Literal[2, 3, 4], ...] = Field(
        4, description="upscaling factor, or several; `{scale}` in a model's entry stands for it"
    )
    degradations: dict[Name, tuple[Step, ...]] = Field(
        {"bicubic": (Step(reduce="bicubic"),)},
        min_length=1,
        description="from HR to LR, name -> steps; networks are trained on the first. A list of names stands for steps "
        f"that the suite knows: {', '.join(DEGRADATIONS)}",
    )
    crop: int | None = Field(None, ge=0, description="border pixels that metrics leave out; the scale by default")
    datasets: dict[Name, Dataset] = Field(min_length=1, description="data sets by name")
    models: dict[Name, Model] = Field(min_length=1, description="methods by name, in the order of the tables")
    training: dict[Name, Recipe] = Field({}, description="recipes by name")
    metrics: dict[Literal[tuple(METRICS)], Metric] = Field(
        {"psnr_y": Metric()}, min_length=1, description="metrics by name"
    )
    weights_dir: str = Field(
        "downloads/metrics",
        description="folder of the weights of perceptual metrics, fetched into it where they are not there; a machine "
        "without a network takes one that was filled elsewhere",
    )
    profile: Profile = Field(Profile(), description="how cost is measured")
    statistics: Statistics = Field(Statistics(), description="how intervals are computed")
    audit: Audit | None = Field(None, description="measure how far the protocol moves the scores; by default not done")

    @field_validator("degradations", mode="before")
    @classmethod
    def _known_steps(cls, given: Any) -> Any:
        """Fill in the steps of names that the suite knows."""
        named = given if isinstance(given, dict) else dict.fromkeys(given) if isinstance(given, list | tuple) else None
        if named is None:
            raise ValueError("a list of names or a mapping of names to steps is expected")
        for name, steps in named.items():
            if steps is None and name not in DEGRADATIONS:
                raise ValueError(f"'{name}' is unknown{nearest(str(name), DEGRADATIONS)}")
        return {name: DEGRADATIONS[name] if steps is None else steps for name, steps in named.items()}

    @field_validator("degradations")
    @classmethod
    def _reduced_once(cls, given: dict[str, tuple[Step, ...]]) -> dict[str, tuple[Step, ...]]:
        for name, steps in given.items():
            if sum(step.reduce is not None for step in steps) != 1:
                raise ValueError(f"'{name}' has to `reduce` once")
        return given

    @property
    def scales(self) -> tuple[int, ...]:
        """The upscaling factors, in order."""
        return self.scale if isinstance(self.scale, tuple) else (self.scale,)

    @model_validator(mode="after")
    def _names_exist(self) -> "Config":
        if len(set(self.scales)) != len(self.scales) or not self.scales:
            raise ValueError("`scale` needs one or more different factors")
        if self.audit is not None:
            for key, known in (("datasets", self.datasets), ("models", self.models)):
                for name in getattr(self.audit, key):
                    if name not in known:
                        raise ValueError(f"audit.{key} names '{name}'{nearest(name, known)}")
        reference = self.statistics.reference
        if reference is not None and reference not in self.models:
            raise ValueError(f"statistics.reference names the model '{reference}'{nearest(reference, self.models)}")
        for name, model in self.models.items():
            if model.train_on is not None and model.train_on not in self.datasets:
                raise ValueError(
                    f"models.{name}.train_on names the data set '{model.train_on}'"
                    + nearest(model.train_on, self.datasets)
                )
            if model.train is not None and model.train not in self.training:
                raise ValueError(
                    f"models.{name}.train names the recipe '{model.train}'{nearest(model.train, self.training)}"
                )
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


def load(*paths: str | Path) -> Config:
    """Read and validate a configuration file, or several, later ones over earlier ones as Snakemake merges them.

    UserError names the files and the key that is wrong.
    """
    content: Any = {}
    for path in paths:
        content = _merged(content, _read(path))
    return validate(content, ", ".join(map(str, paths)))


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {key: _merged(old.get(key), value) for key, value in new.items()}


def _read(path: str | Path) -> Any:
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def validate(content: Any, origin: str) -> Config:
    """Validate a configuration that has been read; `origin` names it in errors."""
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{origin}: {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    """The first error as a sentence; an unknown key first, because the others often follow from it."""
    errors = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if "[" not in str(part))  # not "[key]", nor a union's branch
    if first["type"] == "extra_forbidden":
        *parents, key = (str(part) for part in first["loc"])
        return f"unknown key '{where}'{nearest(key, list(_block_at(parents).model_fields))}"
    if first["type"] == "literal_error":
        valid = re.findall(r"'(\w+)'", first["ctx"]["expected"]) or [first["ctx"]["expected"]]
        return f"'{where}': {first['input']!r} is unknown{nearest(str(first['input']), valid)}"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    found = "" if first["type"] in ("missing", "value_error") else f", not {first['input']!r}"
    return f"'{where}': {message}{found}" if where else message


def _block_at(parents: list[str]) -> type[BaseModel]:
    """The block that a path of keys leads to."""
    block: Any = Config
    for key in parents:
        if get_origin(block) in (dict, tuple):
            block = get_args(block)[1 if get_origin(block) is dict else 0]
        else:
            block = block.model_fields[key].annotation
        if type(None) in get_args(block):  # an optional block
            block = get_args(block)[0]
    return block
