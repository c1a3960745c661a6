"""Data sets and degradations in the configuration."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from rssr.config.block import Block, Label, OwnPath
from rssr.datasets.degradations import STEPS
from rssr.datasets.registry import EXTERNAL, MODULES


def _numbers_of_bands(given: Any) -> Any:
    if isinstance(given, list) and (
        len(given) not in (1, 3) or not all(str(band).lstrip("-").isdecimal() for band in given)
    ):
        raise ValueError(f"the numbers of one band or of three are expected, such as [4, 3, 2], not {given}")
    return given


Bands = Annotated[tuple[int] | tuple[int, int, int] | None, BeforeValidator(_numbers_of_bands)]
Stretch = tuple[float, float] | None


class Given(Block):
    """LR images that are given beside the HR images, as those of another sensor are."""

    images: OwnPath = Field(
        description="a folder with an LR image for each HR image, of the same name or as DIV2K or RealSR call it "
        "(docs/entries.md), and of its size divided by the scale; `{scale}` in it stands for the scale"
    )
    bands: Bands = Field(None, description="as of the HR images")
    stretch: Stretch = Field(None, description="as of the HR images")


class Dataset(Block):
    """A data set: one that the suite knows, or a folder of images."""

    label: Label = Field(description="name in tables and figures")
    module: Literal[MODULES] | None = Field(None, description="a module of datasets/")
    images: OwnPath | None = Field(
        None,
        description="a folder of your own images, instead of `module`; a relative path is meant from the folder that "
        "snakemake runs in and, if it is not there, from the checkout",
    )
    root: OwnPath | None = Field(
        None,
        description="folder with the images of an external data set, in any known layout; they are downloaded "
        "if neither this nor the environment variable RSSR_ROOT_{MODULE} names one",
    )
    subset: bool = Field(False, description="take the part of an external data set that is in `root`; titles say so")
    split: dict[Literal["train", "val", "test"], str | tuple[str, ...]] | str | None = Field(
        None,
        description="the name of a split of an external data set: paper; of RSSCN7 seed_2745, the default, or fahrnet. "
        "Or split -> glob pattern, or several: below the folder of `images`, or of the source names of an external "
        "data set; val is for recipes with `validate_every`",
    )
    tile: int | None = Field(None, ge=16, description="side of the HR tiles in pixels; the data set's own by default")

    bands: Bands = Field(
        None,
        description="which bands of the files of `images` are red, green and blue, or the only one, gray, counted from "
        "1; needed where there are two or more than three",
    )
    stretch: Stretch = Field(
        None,
        description="values of the files of `images` that become black and white, such as [0, 3000]; needed where they "
        "have other than 8 bits; values beyond are clipped",
    )

    lr: Given | None = Field(None, description="LR images of your own, or their folder; degradations do not apply then")

    unit: str | None = Field(
        None,
        description="regular expression whose group, in the name of a source image, is the unit of intervals and "
        'tests, such as "(seq\\d+)" where several images show one place; by default each source image is a unit',
    )

    @field_validator("lr", mode="before")
    @classmethod
    def _folder_alone(cls, given: Any) -> Any:
        return {"images": given} if isinstance(given, str) else given

    @field_validator("unit")
    @classmethod
    def _one_group(cls, given: str | None) -> str | None:
        try:
            groups = re.compile(given or "()").groups
        except re.error as error:
            raise ValueError(f"`unit` is no regular expression ({error})") from None
        if groups != 1:
            raise ValueError(f"`unit` needs one group in parentheses, not {groups}")
        return given

    @model_validator(mode="after")
    def _one_source(self) -> "Dataset":
        if (self.module is None) == (self.images is None):
            raise ValueError("give either `module` or `images`")
        if self.images is not None and self.split is None:
            raise ValueError("`images` and `split` go together")
        if self.images is not None and isinstance(self.split, str):
            raise ValueError("`split` of `images` is a mapping: split -> glob pattern")
        if self.split == {}:
            raise ValueError("`split` is empty: give a pattern for train, val or test")
        given = [key for key in ("root", "subset", "split") if getattr(self, key)]
        if self.images is None and (self.bands or self.stretch or self.lr):
            raise ValueError("`bands`, `stretch` and `lr` go with `images`")
        for stretch in (self.stretch, self.lr and self.lr.stretch):
            if stretch and not stretch[0] < stretch[1]:
                raise ValueError("the first value of `stretch` has to be below the second")
        if self.module not in EXTERNAL and set(given) - ({"split"} if self.images else set()):
            raise ValueError(f"`{given[0]}` is for the external data sets: {', '.join(EXTERNAL)}")
        return self


class Step(Block):
    """A step of a degradation: one of blur, reduce, noise and jpeg."""

    blur: float | None = Field(
        None, ge=0.01, le=100, description="sigma of a Gaussian, in pixels of the image at that step"
    )
    size: int | None = Field(
        None, ge=3, le=1001, description="side of the blur's window, odd; by default it ends at 3 sigma"
    )
    reduce: Literal["nearest", "bilinear", "bicubic", "lanczos"] | None = Field(
        None, description="kernel of MATLAB's imresize; once in each degradation"
    )
    antialias: bool = Field(True, description="whether the reduction stretches its kernel; OpenCV's does not")
    noise: float | None = Field(
        None, gt=0, le=255, description="sigma of Gaussian noise in 8-bit levels, seeded per image"
    )
    jpeg: int | None = Field(None, ge=1, le=100, description="quality of a JPEG file that the image goes through")

    @model_validator(mode="after")
    def _one_kind(self) -> "Step":
        given = [name for name in STEPS if getattr(self, name) is not None]
        if len(given) != 1:
            several = f", not {' and '.join(given)}: write each as an item of the list" if given else ""
            raise ValueError(f"a step has one of {', '.join(STEPS)}{several}")
        if self.size is not None and (self.blur is None or self.size % 2 == 0):
            raise ValueError("`size` is odd and goes with `blur`")
        if not self.antialias and self.reduce is None:
            raise ValueError("`antialias` goes with `reduce`")
        return self
