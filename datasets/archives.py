"""Zip files of external data sets: only the wanted images are extracted, to paths that the archive cannot choose."""

import errno
import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

from tqdm import tqdm

from rssr.base.errors import UserError
from rssr.base.fetch import check_room
from rssr.base.files import replacing
from rssr.datasets.card import DataSet
from rssr.datasets.external import recognise

_OVERHEAD = 1 << 20  # bytes that a file may have beyond its uncompressed pixels
_DIRECTORY = 1 << 24  # most bytes of a list of members: over 100000 of them
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)


class DamagedArchive(UserError):
    """An archive that cannot be read to its end."""


def unpack(archive: Path, data_set: DataSet, folder: Path, wanted: Collection[str], nested: bool = True) -> set[str]:
    """Take wanted source images out of a zip file, each whole and its CRC checked or not at all.

    Args:
        archive: the file.
        data_set: recognises its images in the archive, and says where each goes.
        folder: the folder below which they are written.
        wanted: names of source images.
        nested: whether to look into an archive within it whose name matches DataSet.archive.

    Returns:
        The names of the source images that were found.

    Raises:
        DamagedArchive: for a file that is no zip file or a damaged one.
        UserError: for too many members, or members whose path leads out of the folder, that are larger than an image of
            the data set can be, or that the disk has no room for.
    """
    try:
        _check_directory(archive)
        with zipfile.ZipFile(archive) as opened:
            members = {Path(member.filename): member for member in opened.infolist() if not member.is_dir()}
            _check_names(archive, members.values())
            chosen = _choose(archive, members, data_set, wanted)
            check_room(folder, sum(member.file_size for member in chosen.values()), f"unpacking {archive}")
            for source, member in tqdm(chosen.items(), desc=f"unpacking {archive.name}", unit="image"):
                (folder / f"{source}.vrt").unlink(missing_ok=True)  # a mosaic of an earlier root
                _copy(opened, member, data_set.find(folder, source))
            inner = [members[name] for name in members if re.search(data_set.archive, name.as_posix())]
            if chosen or not (inner and nested):
                return set(chosen)
            return _unpack_inner(opened, inner[0], data_set, folder, wanted)
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # of the disk, not of the archive
            raise
        raise DamagedArchive(f"{archive} cannot be unpacked ({error})", "delete it and run again") from None


def _check_directory(archive: Path) -> None:
    """UserError for more members than a data set has, before zipfile makes an object of each."""
    with archive.open("rb") as file:
        end = zipfile._EndRecData(file)
    if end and end[zipfile._ECD_SIZE] > _DIRECTORY:
        raise UserError(f"{archive} has too many members, in a list of {end[zipfile._ECD_SIZE]} bytes", "do not use it")


def _check_names(archive: Path, members: Collection[zipfile.ZipInfo]) -> None:
    for member in members:
        name = Path(member.filename)
        if name.is_absolute() or ".." in name.parts or member.external_attr >> 28 == 0xA:  # a link
            raise UserError(f"{archive} has a member '{name}' that leads out of it", "do not use this archive")


def _choose(
    archive: Path, members: Mapping[Path, zipfile.ZipInfo], data_set: DataSet, wanted: Collection[str]
) -> dict[str, zipfile.ZipInfo]:
    """The members that are wanted images."""
    whole = [layout for layout in data_set.layouts if not layout.tiles]
    found = recognise(iter(members), Path(), whole)
    chosen = {source: members[found[source][0]] for source in wanted if source in found}
    limit = max((w * h * 4 + _OVERHEAD for w, h in data_set.card.sizes), default=1 << 30)
    if big := [member.filename for member in chosen.values() if member.file_size > limit]:
        raise UserError(
            f"{archive}: its member '{big[0]}' would have more than {limit} bytes", "do not use this archive"
        )
    return chosen


def _unpack_inner(
    opened: zipfile.ZipFile, member: zipfile.ZipInfo, data_set: DataSet, folder: Path, wanted: Collection[str]
) -> set[str]:
    """Unpack an archive within an archive, at most as large as the mirrors state for the whole data set."""
    limit = max((mirror.bytes for mirror in data_set.card.mirrors), default=1 << 34)
    if member.file_size > limit:
        raise UserError(f"the archive {member.filename} would have more than {limit} bytes", "do not use it")
    check_room(folder, member.file_size, member.filename)
    scratch = folder / ".inner.zip"  # a fixed name: what a killed run left is overwritten
    try:
        _copy(opened, member, scratch)
        return unpack(scratch, data_set, folder, wanted, nested=False)
    finally:
        scratch.unlink(missing_ok=True)


def _copy(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Write a member, its CRC checked, all or nothing."""
    with replacing(path) as temporary, opened.open(member) as source, temporary.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
