"""The description of a data set, and its interface to the rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Mirror:
    """A place to get an external data set from.

    Attributes:
        kind: "http": an archive at an address; "huggingface", "kaggle": a data set of that hub.
        where: the address, or owner/name.
        bytes: approximate download size; exact for an archive whose length is checked.
        digest: digest of an archive, "md5:..." or a sha256; empty if none is known.
        size: exact length of an archive in bytes, if known.
        password: password of a share, from its documentation.
        revision: commit of a Hugging Face data set; None: the newest, the same for all files.
    """

    kind: str
    where: str
    bytes: int
    digest: str = ""
    size: int | None = None
    password: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Layout:
    r"""How a source image may lie in a folder or an archive.

    Attributes:
        tree: the path for people, such as "2_Ortho_RGB/top_potsdam_{row}_{column}_RGB.tif".
        pattern: regular expression for the end of its path.
        source: its name in the splits, as a template of the pattern's groups, such as r"\1/\2".
        tiles: whether such files are tiles of the image; the groups `left` and `top` of the pattern place them.
    """

    tree: str
    pattern: str
    source: str
    tiles: bool = False


@dataclass(frozen=True)
class Card:
    """The facts of a data set; they stand in the provenance of its prepared images.

    Attributes:
        licence: licence and terms of the images.
        citation: where the images come from.
        page: web page of the data set.
        gsd_m: ground sampling distance in metres, as text because it may vary.
        tile: HR tile side in pixels, or None for whole images.
        overlap: whether tiles cover the whole image, those at the far edges overlapping others, as a protocol may
            demand; otherwise no pixel is in two tiles.
        takes: the part of it that the paper uses.
        sizes: permitted (width, height) of source images; empty: any.
        counts: split -> number of HR tiles or images; empty: not stated.
        mirrors: places to get it from, in the order in which they are tried.
        checksums: which checksums are known, as text.
        redistributable: whether the licence lets everyone redistribute the images, as a committed run does.
    """

    licence: str
    citation: str
    page: str
    gsd_m: str
    tile: int | None
    overlap: bool = False
    takes: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    mirrors: tuple[Mirror, ...] = ()
    checksums: str = ""
    redistributable: bool = False


@dataclass(frozen=True)
class Given:
    """LR images that are given beside the HR images, and not made from them.

    Attributes:
        find: (source image, scale) -> its LR image; UserError if there is none.
        bands: as those of DataSet, of the LR files.
        stretch: likewise.
    """

    find: Callable[[str, int], Path]
    bands: Sequence[int] | None = None
    stretch: Sequence[float] | None = None


@dataclass(frozen=True)
class DataSet:
    """A data set that the rules can fetch and prepare.

    Attributes:
        card: its facts.
        splits: split -> names of its source images, in order, known before anything is fetched.
        find: (folder, source) -> the path of a source image in that folder once fetched.
        fetch: gets the source images into a folder, checked; called again, it fetches only what is missing. None: the
            data set has `layouts`, and datasets/obtain.py fetches it.
        layouts: how its source images may lie on a disk or in an archive, the preferred first.
        archive: regular expression for an archive within an archive that holds the images.
        sha256: source -> digest of its file, if known.
        root: a local folder with the images.
        split: name of the splits; "own" if the configuration chooses the images.
        other_splits: name -> splits that an entry may ask for instead.
        classes: regular expression whose group is the class in the name of a prepared image; empty: no classes.
        unit: regular expression whose group, in the name of a source image, is the unit of statistics, for data sets in
            which several source images show one place; empty: each source image is a unit.
        part: description, for titles, of the part that is used; empty: the whole data set.
        bands: which bands of its files are red, green and blue, see base.raster.open_raster().
        stretch: which values of its files are black and white, likewise.
        given: its LR images; None: they are made by degradations.
    """

    card: Card
    splits: Mapping[str, tuple[str, ...]]
    find: Callable[[Path, str], Path]
    fetch: Callable[[Path], None] | None = None
    layouts: tuple[Layout, ...] = ()
    archive: str = "(?!)"
    sha256: Mapping[str, str] = field(default_factory=dict)
    root: str | None = None
    split: str = "paper"
    other_splits: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    classes: str = ""
    unit: str = ""
    part: str = ""
    bands: Sequence[int] | None = None
    stretch: Sequence[float] | None = None
    given: Given | None = None

    def expected(self, split: str, tile: int | None = None) -> int:
        """The images of a split once prepared, as its card counts them, or at least: the number of source images.

        Args:
            split: one of its splits.
            tile: side of the tiles, if not the card's.
        """
        counted = self.card.counts.get(split) if tile in (None, self.card.tile) else None
        return counted or len(self.splits[split])

    @property
    def sources(self) -> list[str]:
        """The source images of all splits."""
        return [source for split in self.splits.values() for source in split]
