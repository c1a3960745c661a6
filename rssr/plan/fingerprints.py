"""Users' files by their content: Snakemake compares times, and a file that replaces another may be older than it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from rssr.base.errors import UserError
from rssr.base.files import read_json, sha256, write_json


class Fingerprints:
    """Checksums of files, computed again only where size, times or place on the disk changed.

    A rule has the fingerprint of users' files as a parameter instead of the files as inputs, so that any content and
    any name makes results anew, and a touched file does not.

    Args:
        note: where checksums are kept between runs.
        write: whether this process may write the note: a real run, no dry run and no job on a cluster.
    """

    def __init__(self, note: Path, write: bool) -> None:
        self._note, self._write = note, write
        try:
            self._known = read_json(note) if note.exists() else {}
        except UserError:  # it saves time, no more
            self._known = {}

    def of(self, paths: Iterable[str | Path]) -> str:
        """One checksum over the names and contents of files; UserError for one that does not exist."""
        total, changed = hashlib.sha256(), False
        for path in map(Path, paths):
            name, state = str(path.absolute()), self._state(path)
            if name not in self._known or self._known[name][0] != state:
                self._known[name], changed = [state, sha256(path)], True
            total.update(f"{path}\0{self._known[name][1]}\0".encode(errors="surrogateescape"))
        if self._write and changed:
            write_json(self._note, self._known)
        return total.hexdigest()

    @staticmethod
    def _state(path: Path) -> list[int] | None:
        """What changes whenever the content does: copying with the old time still sets the time of the status."""
        if not path.exists():
            return None
        found = path.stat()
        return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
