"""UAVid: 42 video sequences of 4K frames from a drone, of which the paper takes two frames each."""

from pathlib import Path

from rssr.datasets.card import Card, DataSet, Layout, Mirror

FRAMES = ("000000", "000900")  # the first and the last of ten; which ones the paper takes is known from a re-run
SEQUENCES = {  # the official splits
    "train": (*range(1, 16), *range(31, 36)),
    "val": (*range(16, 21), 36, 37),
    "test": (*range(21, 31), *range(38, 43)),
}


def _find(folder: Path, source: str) -> Path:
    return folder / f"{source}.png"


DATA_SET = DataSet(
    card=Card(
        licence="CC BY-NC-SA 4.0",
        citation="Lyu et al., UAVid: A semantic segmentation dataset for UAV imagery, ISPRS Journal of Photogrammetry "
        "and Remote Sensing 165, 2020, doi 10.1016/j.isprsjprs.2020.05.009",
        page="https://uavid.nl",
        gsd_m="varies: oblique views from about 50 m",
        tile=512,
        overlap=True,
        takes="frames 000000 and 000900 of every sequence, in tiles of 512x512, 8 x 5 per frame",
        sizes=((3840, 2160), (4096, 2160)),
        counts={"train": 1600, "val": 560, "test": 1200},
        mirrors=(
            # uavid.nl has been out of reach since October 2025.
            Mirror("huggingface", "dronefreak/UAVid-2020", bytes=84 * 14_000_000),
            Mirror("kaggle", "dasmehdixtr/uavid-v1", bytes=6_000_000_000),
        ),
        checksums="none is stated: the size of every frame is checked, and its sha256 recorded when it is fetched",
    ),
    splits={
        split: tuple(f"seq{number}/{frame}" for number in numbers for frame in FRAMES)
        for split, numbers in SEQUENCES.items()
    },
    find=_find,
    unit=r"(seq\d+)/",  # the frames of a sequence show one flight
    layouts=(
        # The official archive, and GeoSeg's and Kaggle's trees, which differ above the sequences only.
        Layout("uavid_{train,val,test}/seq{n}/Images/{frame}.png", r"seq0*(\d+)/Images/(\d{6})\.png", r"seq\1/\2"),
        Layout(
            "images/{train,val,test}/seq{n}_{frame}.png (Hugging Face)",
            r"images/(?:train|val|test)/seq0*(\d+)_(?:Images_)?(\d{6})\.png",
            r"seq\1/\2",
        ),
    ),
)
