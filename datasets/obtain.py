"""External data sets: found on the disk or got from a mirror, unpacked, and checked image by image."""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.windows import Window
from tqdm import tqdm

from rssr.base.errors import UserError
from rssr.base.fetch import check_room, download
from rssr.base.files import replacing, sha256
from rssr.datasets.archives import DamagedArchive, unpack
from rssr.datasets.card import DataSet, Mirror
from rssr.datasets.external import expected, files_below, index, recognise
from rssr.datasets.tiles import tile_boxes

# For all threads, because warnings.catch_warnings() is not thread-safe.
warnings.simplefilter("ignore", NotGeoreferencedWarning)

LABEL_COLOURS = 16  # a window of a photograph has thousands; a label image has as many as there are classes
_SHOWN = 8  # most images that an error lists


def obtain(data_set: DataSet, folder: Path) -> dict:
    """Bring the source images of an external data set into a folder, as links or files that `find` knows.

    They come from the data set's `root`; without one from the folder itself, where they may have been put by hand, and
    then from each mirror in turn. Only missing or damaged images are fetched.

    Returns:
        {"from": where the last of them came from, "sha256": {source: digest}}, every image checked.

    Raises:
        UserError: lists the images that are not available or damaged, and why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digests: dict[str, str] = {}
    if data_set.root:
        origin = data_set.root
        for source in _take(data_set, Path(origin), folder, data_set.sources):
            data_set.find(folder, source).unlink(missing_ok=True)  # of an earlier root
        if bad := _check(data_set, folder, data_set.sources, digests):
            raise UserError(f"{origin}: {_listing(bad, data_set)}", expected(data_set))
    else:
        origin = _complete(data_set, folder, digests)
    return {"from": origin, "sha256": {source: digests[source] for source in data_set.sources}}


def _complete(data_set: DataSet, folder: Path, digests: dict[str, str]) -> str:
    """Fetch what the folder lacks from its own files or from the mirrors; the origin of the last image."""
    origin = str(folder)
    if bad := _check(data_set, folder, data_set.sources, digests):
        _take(data_set, folder, folder, bad)
        bad = _check(data_set, folder, bad, digests)
    problems = []
    for mirror in data_set.card.mirrors:
        if not bad:
            break
        origin = f"{mirror.kind}: {mirror.where}"
        try:
            _GETTERS[mirror.kind](mirror, data_set, folder, bad)
            if bad := _check(data_set, folder, bad, digests):
                raise UserError(_listing(bad, data_set))
        except UserError as error:
            problems.append(f"{mirror.where}: {error.problem}")
    if bad:
        raise UserError(f"no mirror has the whole data set ({'; '.join(problems)})", expected(data_set))
    return origin


def _check(
    data_set: DataSet, folder: Path, sources: Collection[str], digests: dict[str, str], jobs: int = 4
) -> dict[str, str]:
    """Image -> problem, for images that have one; the digests of the others are added to `digests`."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        checks = pool.map(lambda source: _problem(data_set, source, data_set.find(folder, source)), sources)
        found = dict(zip(sources, tqdm(checks, total=len(sources), desc="checking", unit="image"), strict=True))
    digests |= {source: digest for source, (digest, problem) in found.items() if not problem}
    return {source: problem for source, (_, problem) in found.items() if problem}


def _problem(data_set: DataSet, source: str, path: Path) -> tuple[str, str]:
    """(sha256, problem) of an image; an empty string if there is none."""
    if not path.exists():
        return "", "is missing"
    digest = sha256(path)
    if source in data_set.sha256:
        same = digest == data_set.sha256[source]
        return digest, "" if same else f"differs from the file that its publisher offers (sha256 {digest[:12]}...)"
    try:
        with rasterio.open(path) as image:
            return digest, _not_an_image(image, data_set.card.sizes)
    except RasterioIOError as error:
        return digest, f"cannot be read as an image ({error})"


def _not_an_image(image: rasterio.DatasetReader, sizes: Collection[tuple[int, int]]) -> str:
    size = (image.width, image.height)
    if sizes and size not in sizes:
        return f"has {size[0]}x{size[1]} pixels, not {' or '.join(f'{w}x{h}' for w, h in sizes)}"
    if image.count < 3 or set(image.dtypes) != {"uint8"}:
        return f"has {image.count} channels of {image.dtypes[0]}, not RGB of 8 bits: is it a label image?"
    side = min(512, *size)
    window = Window((size[0] - side) // 2, (size[1] - side) // 2, side, side)
    pixels = image.read([1, 2, 3], window=window).reshape(3, -1).astype(np.uint32)
    colours = len(np.unique(pixels[0] << 16 | pixels[1] << 8 | pixels[2]))
    return f"has only {colours} colours: is it a label image?" if colours <= LABEL_COLOURS else ""


def _listing(bad: Mapping[str, str], data_set: DataSet) -> str:
    shown = "; ".join(f"{source} {problem}" for source, problem in list(bad.items())[:_SHOWN])
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return f"{len(bad)} of {len(data_set.sources)} images cannot be used: {shown}{more}"


def _take(data_set: DataSet, root: Path, folder: Path, wanted: Collection[str]) -> list[str]:
    """Link the images found below a folder, or unpack them from archives there; returns those not found."""
    if not root.is_dir():
        raise UserError(f"there is no folder {root}", expected(data_set))
    found = index(root, data_set.layouts)
    for source in wanted:
        if source in found:
            _link(data_set, folder, source, found[source])
    wanted = [source for source in wanted if source not in found]
    for archive in sorted(path for path in files_below(root) if path.suffix == ".zip"):
        if wanted:
            got = unpack(archive, data_set, folder, wanted)
            wanted = [source for source in wanted if source not in got]
    return wanted


def _link(data_set: DataSet, folder: Path, source: str, files: list[Path]) -> None:
    if len(files) > 1:
        _write_mosaic(folder / f"{source}.vrt", files, data_set)
        return
    (folder / f"{source}.vrt").unlink(missing_ok=True)  # of an earlier root
    target = data_set.find(folder, source)
    if target.exists() and target.samefile(files[0]):
        return
    with replacing(target) as temporary:
        temporary.symlink_to(Path(files[0]).absolute())


def _write_mosaic(path: Path, tiles: list[Path], data_set: DataSet) -> None:
    """A GDAL virtual raster of tiles that were cut from one image; their checksums are in it, and so in its own."""
    pattern = next(re.compile(layout.pattern) for layout in data_set.layouts if layout.tiles)
    places = {}
    for tile in tiles:
        match = pattern.search(tile.as_posix())
        with Image.open(tile) as image:
            places[int(match["left"]), int(match["top"])] = (tile, image.width, image.height)
    width = max(left + size[1] for (left, _), size in places.items())
    height = max(top + size[2] for (_, top), size in places.items())
    side = next(iter(places.values()))[1]
    missing = [box[:2] for box in tile_boxes(width, height, side, overlap=True) if box[:2] not in places]
    if missing:
        raise UserError(
            f"{tiles[0].parent} lacks {len(missing)} tiles of {path.stem}, the first at {missing[0]}",
            "cut them again, or use the whole images",
        )
    bands = []
    for band, colour in enumerate(("Red", "Green", "Blue"), 1):
        sources = [
            f'<SimpleSource><SourceFilename relativeToVRT="0">{escape(str(tile.absolute()))}</SourceFilename>'
            f'<SourceBand>{band}</SourceBand><SrcRect xOff="0" yOff="0" xSize="{w}" ySize="{h}"/>'
            f'<DstRect xOff="{left}" yOff="{top}" xSize="{w}" ySize="{h}"/></SimpleSource>'
            for (left, top), (tile, w, h) in places.items()
        ]
        bands.append(
            f'<VRTRasterBand dataType="Byte" band="{band}"><ColorInterp>{colour}</ColorInterp>{"".join(sources)}'
            "</VRTRasterBand>"
        )
    checksums = " ".join(sha256(tile) for tile, _, _ in places.values())
    text = f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">{"".join(bands)}</VRTDataset><!-- {checksums} -->'
    with replacing(path) as temporary:
        temporary.write_text(text)


def _from_http(mirror: Mirror, data_set: DataSet, folder: Path, wanted: Collection[str]) -> None:
    name = Path(urlsplit(mirror.where).path).name or "archive"
    archive = folder / (name if name.endswith(".zip") else f"{name}.zip")
    # The unpacked images need about as much space again as their archive.
    download(mirror.where, archive, mirror.digest, mirror.size, mirror.password, room=mirror.bytes // 2)
    _consume(archive, data_set, folder, wanted)


def _consume(archive: Path, data_set: DataSet, folder: Path, wanted: Collection[str]) -> None:
    """Unpack an archive that was downloaded here and delete it; a damaged one too, to be downloaded again."""
    try:
        unpack(archive, data_set, folder, wanted)
    except DamagedArchive:
        archive.unlink()
        raise
    archive.unlink()


def _from_kaggle(mirror: Mirror, data_set: DataSet, folder: Path, wanted: Collection[str]) -> None:
    client = shutil.which("kaggle")
    home = Path(os.environ.get("KAGGLE_CONFIG_DIR", Path.home() / ".kaggle"))
    if client is None:
        raise UserError("Kaggle's client is not installed (pip install kaggle)")
    if not (os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY")) and not (home / "kaggle.json").exists():
        raise UserError("Kaggle's credentials are not set (KAGGLE_USERNAME and KAGGLE_KEY, or ~/.kaggle/kaggle.json)")
    check_room(folder, 2 * mirror.bytes, f"Kaggle's {mirror.where}")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".kaggle-") as scratch:
        command = [client, "datasets", "download", "-d", mirror.where, "-p", scratch]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        archives = list(Path(scratch).glob("*.zip"))
        if result.returncode or not archives:
            reason = (result.stdout.strip().splitlines() or ["no file came"])[-1]
            raise UserError(f"Kaggle's client failed ({reason})")
        for archive in archives:
            unpack(archive, data_set, folder, wanted)


def _from_huggingface(mirror: Mirror, data_set: DataSet, folder: Path, wanted: Collection[str]) -> None:
    """The wanted files only, all of one commit."""
    from huggingface_hub import HfApi, snapshot_download

    local = folder / "huggingface"
    try:
        info = HfApi().dataset_info(mirror.where, revision=mirror.revision)
        there = recognise((Path(file.rfilename) for file in info.siblings), Path(), data_set.layouts)
        names = [path.as_posix() for source in wanted for path in there.get(source, ())]
        if not names:
            raise UserError(f"its commit {info.sha} has no image of the data set")
        snapshot_download(
            mirror.where, repo_type="dataset", revision=info.sha, allow_patterns=names, local_dir=local, max_workers=4
        )
    except UserError:
        raise
    except Exception as error:  # its HTTP library's errors have no common base but this
        raise UserError(f"the hub's client failed ({' '.join(str(error).split())[:200]})") from None
    (local / "commit.json").write_text(json.dumps({"repository": mirror.where, "commit": info.sha}))
    _take(data_set, local, folder, wanted)


_GETTERS = {"http": _from_http, "kaggle": _from_kaggle, "huggingface": _from_huggingface}
