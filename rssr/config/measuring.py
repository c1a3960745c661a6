"""How quality and cost are measured and shown, in the configuration."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from rssr.config.block import Block

_Side = Annotated[int, Field(ge=8)]  # networks take inputs from there on


class Metric(Block):
    """A column of the quality table."""

    required: bool = Field(
        True,
        description="false: if its weights are unavailable, the metric's column is left out, and a note below "
        "the table says why",
    )


class Profile(Block):
    """How cost is measured."""

    size: tuple[_Side, _Side] = Field((128, 128), description="height and width of the LR input that the tables show")
    further_sizes: tuple[tuple[_Side, _Side], ...] = Field(
        (), description="further LR input sizes to measure latency at"
    )
    batch: int = Field(1, ge=1, description="images per call")
    warmup: int = Field(20, ge=0, description="most untimed calls at the start; fewer if their times are steady")
    samples: int = Field(50, ge=3, le=1_000_000, description="timed calls; fewer if `seconds` run out")
    seconds: float = Field(10, gt=0, description="time after which no further call is timed, once three have been")
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = Field(
        "fp32", description="bf16 and fp16 by autocast; tf32 needs a GPU; fp32 never uses it"
    )
    compile: Literal["default", "reduce-overhead", "max-autotune"] | None = Field(
        None, description="mode of torch.compile; by default nothing is compiled"
    )


class Statistics(Block):
    """How intervals are computed."""

    resamples: int = Field(10000, ge=100, le=1_000_000, description="bootstrap resamples of the source images")
    confidence: float = Field(0.95, gt=0, lt=1, description="level of the intervals")
    seed: int = Field(0, ge=0, description="seed of the resampling")
    reference: str | None = Field(
        None,
        description="model that the table `significance` compares the others with; by default all pairs, "
        "or, with more than twelve methods, each with the best",
    )


class Audit(Block):
    """The same weights under every combination of the measuring protocol."""

    datasets: tuple[str, ...] = Field(min_length=1, description="test sets, by name")
    models: tuple[str, ...] = Field(min_length=1, description="models, by name")
    images: int = Field(100, ge=1, description="number of images of a test set, evenly spaced")


class Shards(Block):
    """Jobs over ranges of the images of a large test set."""

    images: int = Field(
        ge=1,
        description="most images of one job. Where their number is not known before they are cut, as for a folder with "
        "`tile`, source images are counted",
    )


class Analysis(Block):
    """What networks look like inside, and which LR pixels their SR pixels depend on."""

    dataset: str = Field(description="test set, by name")
    models: tuple[str, ...] = Field(
        min_length=1,
        max_length=12,
        description="models, by name: local attribution and receptive field of each; architecture and feature maps of "
        "each LSTMConvSR",
    )
    image: str | None = Field(
        None, description="its name in results/data/{dataset}/test/HR-x{scale}/manifest.csv; the first by default"
    )
    square: tuple[NonNegativeInt, NonNegativeInt, PositiveInt] | None = Field(
        None,
        description="left, top and side, in SR pixels, of what is attributed; by default the middle 4x4 LR pixels",
    )
    side: int = Field(64, ge=8, description="side, in LR pixels, of the patch around it that local attribution covers")
    steps: int = Field(25, ge=1, description="steps of the path that local attribution integrates over")
    images: int = Field(8, ge=1, description="number of images, evenly spaced, that receptive fields are averaged over")
    channels: tuple[NonNegativeInt, ...] = Field(
        (0, 1, 2, 3), min_length=1, max_length=8, description="channels whose feature maps are shown"
    )


class Crop(Block):
    """A crop of the qualitative page of a test set."""

    dataset: str = Field(description="test set, by name")
    image: str = Field(description="its name in results/data/{dataset}/test/HR-x{scale}/manifest.csv")
    square: tuple[NonNegativeInt, NonNegativeInt, PositiveInt] = Field(description="left, top and side, in HR pixels")


class Figures(Block):
    """What the figures show."""

    images: int = Field(
        3,
        ge=1,
        description="images of a qualitative page: those where methods differ most, different source images first; "
        "fewer if the page has no room for them",
    )
    side: int = Field(96, ge=16, description="side of their crops in HR pixels")
    crops: tuple[Crop, ...] = Field((), description="crops that the page of a test set shows instead")


class Report(Block):
    """What results/report shows in addition to tables and figures."""

    images: int = Field(
        24, ge=1, description="images of a test set: those where methods differ most, and others, evenly spaced"
    )
    lossless: bool | None = Field(
        None,
        description="show SR and HR images as the pixels that were scored, at 3.5 times the size; by default where "
        "their PNG files have at most 50 MB together",
    )
