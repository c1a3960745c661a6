"""Models and their training in the configuration, and what an entry is at a scale."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rssr.base.block import DECIMAL
from rssr.config.block import Block, Label
from rssr.models.entry import Entry, Network
from rssr.models.names import INTERPOLATIONS, NETWORKS


class Literature(Block):
    """What a paper states about a network, for comparison."""

    parameters_m: Annotated[str, Field(pattern=DECIMAL)] = Field(
        description="millions of parameters at x4, with the digits that are printed, as a string"
    )
    citation: str = Field(description="publication that states it")
    without: tuple[str, ...] = Field((), description="parts of the names of parameters that the paper does not count")


class Model(Network):
    """A row of the tables: a network with its weights, a checkpoint, or an interpolation."""

    label: Label = Field(description="name in tables and figures")
    note: Label | None = Field(None, description="remark shown below the tables, such as where the weights come from")
    required: bool = Field(
        True, description="false: if its weights are unavailable, its row is left out, and the tables say why"
    )
    draws: int = Field(
        5, ge=1, description="replicates of a network that draws random numbers when it upscales; others have one"
    )
    train: str | None = Field(None, description="a recipe of `training`, instead of `weights`")
    train_on: str | None = Field(None, description="data set to train on; the tested one by default")
    ablates: str | None = Field(None, description="full model that this is an ablation of, for its table of ablations")
    licence: str | None = Field(None, description="licence of code and weights, for `python -m rssr models`")
    citation: str | None = Field(None, description="paper or repository, for `python -m rssr models`")
    literature: Literature | None = Field(
        None, description="number of parameters in the literature, next to the counted one"
    )

    def _has_weights(self) -> bool:
        return self.train is not None or super()._has_weights()

    @model_validator(mode="after")
    def _weights_from_one_place(self) -> "Model":
        if self.train is not None and not self.strict:
            raise ValueError("`strict` is for weights that are loaded, not for `train`")
        if not self.required and not (self.weights or self.checkpoint):
            raise ValueError("`required: false` is for weights that are loaded from a file or an address")
        if self.train_on is not None and self.train is None:
            raise ValueError("`train_on` needs `train`")
        if self.weights is not None and self.train is not None:
            raise ValueError("`weights` and `train` are both given: weights are loaded or trained, so remove one")
        if self.arch not in (None, *INTERPOLATIONS) and not (self._has_weights() or self.weightless):
            remedy = "give `weights` or `train`, or `weightless: true` where its class has none"
            raise ValueError(f"a network needs weights: {remedy}")
        return self


_Decay = Annotated[float, Field(ge=0, lt=1)]
_Seed = Annotated[int, Field(ge=0, lt=2**32)]  # as NumPy and PyTorch take them


class Optimiser(Block):
    """The optimiser."""

    name: Literal["adam", "adamw"] = Field("adam", description="torch.optim's Adam or AdamW")
    lr: float = Field(gt=0, description="peak learning rate")
    betas: tuple[_Decay, _Decay] = Field((0.9, 0.99), description="decay of the first and second moment")
    weight_decay: float = Field(0.0, ge=0, description="weight decay")


class Schedule(Block):
    """The learning rate over the iterations, after a linear warm-up."""

    name: Literal["constant", "multistep", "cosine"] = Field("constant", description="shape; cosine ends at zero")
    warmup: int = Field(0, ge=0, description="iterations of linear warm-up")
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="multistep: fractions of the run at which the rate is multiplied"
    )
    gamma: float = Field(0.5, gt=0, description="multistep: the factor")

    @model_validator(mode="after")
    def _all_followed(self) -> "Schedule":
        if self.name == "multistep" and not self.milestones:
            raise ValueError("`name: multistep` needs `milestones`, such as [0.5]")
        for key in ("milestones", "gamma"):
            if self.name != "multistep" and key in self.model_dump(exclude_defaults=True):
                raise ValueError(f"`{key}` is for `name: multistep`, not for {self.name}")
        return self


class Recipe(Block):
    """A way to train, shared by the models that name it."""

    iterations: int | None = Field(None, ge=1, description="optimiser steps, or `epochs`")
    epochs: int | None = Field(None, ge=1, description="passes over the HR images of the train split, a patch of each")
    batch: int = Field(16, ge=1, description="patches per step")
    patch: int = Field(32, ge=8, description="side of the LR patches in pixels")
    loss: Literal["l1", "l2", "charbonnier"] = Field("l1", description="pixel loss on [0, 1]")
    optimiser: Optimiser = Field(description="optimiser")
    schedule: Schedule = Field(Schedule(), description="learning rate over the iterations")
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the averaged weights that are kept; of buffers only running statistics of batch norms "
        "are averaged; 0: the last weights",
    )
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "fp32", description="bf16 by autocast; tf32 needs a GPU; fp32 never uses it"
    )
    channels_last: bool = Field(False, description="memory order of pixels; faster for networks of plain convolutions")
    compile: Literal["default", "reduce-overhead", "max-autotune"] | None = Field(
        None, description="mode of torch.compile; by default nothing is compiled"
    )
    devices: int = Field(
        1, ge=1, description="GPUs that share each batch; other numbers change the weights by rounding alone"
    )
    seeds: tuple[_Seed, ...] = Field(
        (10,), min_length=1, description="seeds of the initial weights and of the patches; each trains a replicate"
    )
    checkpoint_every: int = Field(200, ge=1, description="iterations between checkpoints to resume from")
    log_every: int = Field(10, ge=1, description="iterations that a row of the loss curve averages")
    validate_every: int | None = Field(
        None, ge=1, description="iterations between measurements of PSNR-Y on the val split; none by default"
    )
    keep: Literal["last", "best"] = Field("last", description="weights of the last iteration, or of the best PSNR-Y")

    @model_validator(mode="after")
    def _one_length(self) -> "Recipe":
        if self.iterations is not None and self.epochs is not None:
            raise ValueError("give either `iterations` or `epochs`: null removes the one of an earlier file")
        if self.iterations is None and self.epochs is None:
            raise ValueError("give either `iterations` or `epochs`")
        if self.iterations is not None and self.schedule.warmup >= self.iterations:
            raise ValueError(f"the `warmup` of `schedule` has to end before the {self.iterations} `iterations`")
        return self

    @model_validator(mode="after")
    def _validated_where_logged(self) -> "Recipe":
        if self.keep == "best" and self.validate_every is None:
            raise ValueError("`keep: best` needs `validate_every`")
        if (self.validate_every or 0) % self.log_every:
            raise ValueError("`validate_every` has to be a multiple of `log_every`: its values are rows of the curve")
        return self

    @model_validator(mode="after")
    def _equal_shares(self) -> "Recipe":
        if self.batch % self.devices:
            raise ValueError(f"a `batch` of {self.batch} cannot be shared equally by {self.devices} `devices`")
        return self

    @model_validator(mode="after")
    def _different_seeds(self) -> "Recipe":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("`seeds` names one twice: the same seed trains the same weights")
        return self


def entry_at(entry: Mapping[str, Any], scale: int) -> dict[str, Any]:
    """What decides a network, of a model's entry as a dict, at a scale: see models.entry.

    The scale is filled in for `{scale}` and given to the suite's own networks.
    """

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [filled(part) for part in value]
        if isinstance(value, str):
            return scale if value == "{scale}" else value.replace("{scale}", str(scale))
        return value

    result = filled({key: value for key, value in entry.items() if key in Entry.model_fields}) | {"scale": scale}
    if entry.get("arch") in NETWORKS:
        result["args"] = {"scale": scale} | result.get("args", {}) if scale != 4 else result.get("args", {})
    return result
