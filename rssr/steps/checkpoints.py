"""The states that a training run resumes from: the last two, each with its checksum."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from rssr.base.files import replacing

_DIGEST = hashlib.sha256().digest_size


class Checkpoints:
    """The last two states of a run; if the newest is damaged, the one before it is used.

    Args:
        folder: where states are kept, even after a run has finished, so that reverting an edit needs no new training.
        identity: everything that the run depends on; each identity has its own checkpoints.
    """

    def __init__(self, folder: Path, identity: Any) -> None:
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        self.newest, self.before = folder / f"{key}.checkpoint", folder / f"{key}.before.checkpoint"

    def save(self, state: dict[str, Any]) -> None:
        """Save a state and keep the previous one; a full disk loses none of the saved states."""
        content = io.BytesIO()
        torch.save(state, content)
        with replacing(self.newest) as temporary:
            with temporary.open("wb") as file:
                file.write(hashlib.sha256(content.getbuffer()).digest())
                file.write(content.getbuffer())
            if self.newest.exists():
                self.newest.replace(self.before)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The newest intact state, or None. A damaged one is deleted, with a message."""
        for path in (self.newest, self.before):
            if not path.exists():
                continue
            content = path.read_bytes()
            if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
                return torch.load(io.BytesIO(content[_DIGEST:]), map_location=device, weights_only=True)
            path.unlink()  # lest it replaces the one before at the next save
            rest = "resumes from the state before it" if self.before.exists() else "begins anew"
            tqdm.write(f"{path} is damaged: training {rest}")
        return None
