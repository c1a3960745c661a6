"""ISPRS Potsdam: 38 orthophotos of 6000x6000 pixels, of which the paper takes 21."""

from pathlib import Path

from rssr.datasets.card import Card, DataSet, Layout, Mirror

SPLITS = {  # six of the official training tiles; the official test tiles
    "train": ("2_11", "3_10", "4_10", "5_10", "6_7", "7_7"),
    "val": ("2_10",),
    "test": (
        *(f"{row}_{column}" for row in range(2, 7) for column in (13, 14)),
        *("4_15", "5_15", "6_15", "7_13"),
    ),
}

CARD = Card(
    licence="no open licence: ISPRS gives the images for research and asks for a citation; not redistributable",
    citation="Rottensteiner et al., The ISPRS benchmark on urban object classification and 3D building reconstruction, "
    "ISPRS Annals I-3, 2012; images: BSF Swissphoto, ISPRS Working Group II/4",
    page="https://www.isprs.org/resources/datasets/benchmarks/UrbanSemLab/2d-sem-label-potsdam.aspx",
    gsd_m="0.05",
    tile=512,
    overlap=True,
    takes="7 of the 24 official training orthophotos and the 14 official test ones, in tiles of 512x512, 12 per axis",
    sizes=((6000, 6000),),
    counts={"train": 864, "val": 144, "test": 2016},
    mirrors=(
        Mirror(
            "http",
            "https://seafile.projekt.uni-hannover.de/f/429be50cc79d423ab6c4/",  # Potsdam.zip; the page has the password
            bytes=13_324_219_686,
            size=13_324_219_686,
            password="CjwcipT4-P8g",
        ),
        Mirror("kaggle", "aletbm/urban-segmentation-isprs", bytes=13_000_000_000),
    ),
    checksums="none is stated for Potsdam.zip or 2_Ortho_RGB.zip: the archive's length, the CRC of its members and "
    "the size of every orthophoto are checked, and the sha256 of each is recorded when it is fetched",
)


def _find(folder: Path, source: str) -> Path:
    """A link to the TIFF file, or a mosaic of the tiles that mmsegmentation cuts."""
    mosaic = folder / f"{source}.vrt"
    return mosaic if mosaic.exists() else folder / f"{source}.tif"


DATA_SET = DataSet(
    card=CARD,
    splits=SPLITS,
    find=_find,
    layouts=(
        # The official archive and GeoSeg's and Kaggle's trees, which keep its file names.
        Layout("2_Ortho_RGB/top_potsdam_{row}_{column}_RGB.tif", r"top_potsdam_(\d+)_(\d+)_RGB\.tif", r"\1_\2"),
        Layout(
            "img_dir/{train,val}/{row}_{column}_{left}_{top}_{right}_{bottom}.png (mmsegmentation)",
            r"img_dir/(?:train|val)/(\d+)_(\d+)_(?P<left>\d+)_(?P<top>\d+)_\d+_\d+\.png",
            r"\1_\2",
            tiles=True,
        ),
    ),
    archive=r"(^|/)2_Ortho_RGB\.zip$",
)
