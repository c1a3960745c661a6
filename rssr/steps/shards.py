"""Results of shards -> the result of the whole test set, with the bytes that one job writes."""

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_json
from rssr.plan.shards import WHOLE, Shard


def add_options(parser: ArgumentParser) -> None:
    """Add `--parts`, of a job that merges shards, and `--shard`, of a job that makes one."""
    parser.add_argument("--parts", type=Path, nargs="+", help="what the shards have made, to be merged instead")
    parser.add_argument("--shard", type=Shard.named, default=WHOLE, help="the range of the images, such as 2-of-5")


def merged(parts: Sequence[Path], images: Iterable[str]) -> list[dict[str, str]]:
    """The rows of the CSV files of shards, in order.

    Args:
        parts: the files, with a column `image`, in the order of their shards.
        images: the images of the whole set, in order.

    Raises:
        UserError: if the files do not have just these images.
    """
    rows = [row for part in parts for row in read_csv(part)]
    if list(dict.fromkeys(row["image"] for row in rows)) != list(dict.fromkeys(images)):
        folder = parts[0].parent.parent
        raise UserError(f"the shards in {folder} have other images than their test set", "delete it and run again")
    return rows


def merged_record(parts: Sequence[Path]) -> dict[str, Any]:
    """What the records of shards say; where they differ, as devices may, a list of what each says, in order.

    Args:
        parts: the records, or CSV files of the same names beside them.
    """
    records = [read_json(part.with_suffix(".json")) for part in parts]
    found = {}
    for key, value in records[0].items():
        each = [record.get(key) for record in records]
        found[key] = value if all(other == value for other in each) else each
    return found | {"shards": len(parts)}
