"""Whether two folders of results call two different networks by one name."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rssr.plan.arguments import NO_WEIGHTS
from rssr.render.comparison.causes import configurations, differences
from rssr.render.comparison.folder import Folder

_FILES = ("weights", "checkpoint")
_IDENTITY = ("label", "arch", "args", *_FILES, "weightless", "strict", "range", "multiple_of", "self_ensemble", "tile")
_SAME_WEIGHTS = {"seeds", "devices", *NO_WEIGHTS}  # the only keys of a recipe that train no other weights of a seed
_SCALES = (2, 3, 4)


def other_networks(a: Folder, b: Folder) -> Iterator[tuple[str, str]]:
    """Yield a model's name and the key of its entry where two folders have another network by that name."""
    sides = configurations(a, b)
    models = [side.get("models", {}) for side in sides]
    for name in (name for name in models[0] if name in models[1]):
        for keys, *_ in differences(*(_entry(side, name) for side in sides)):
            yield name, keys[0]
        for kind in (kind for kind in _FILES if all(of[name].get(kind) for of in models)):
            files = [of[name][kind] for of in models]
            digests = [_digests(folder, file, name) for folder, file in zip((a, b), files, strict=True)]
            shared = digests[0].keys() & digests[1].keys()
            # paths of one file are not the same everywhere, but where no checksum is known its name is all there is
            known = [[of[scale] for scale in shared] for of in digests] if shared else [_place(file) for file in files]
            if known[0] != known[1]:
                yield name, kind


def _entry(configuration: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What decides a model's scores: its recipe in place of the recipe's name, and without the place of its file."""
    given = configuration["models"][name]
    recipe = configuration.get("training", {}).get(given.get("train")) or {}
    found = {key: given.get(key) for key in _IDENTITY} | {"train_on": given.get("train_on")}
    found |= {kind: {"key": given[kind].get("key")} for kind in _FILES if given.get(kind)}
    return found | {"train": {key: value for key, value in recipe.items() if key not in _SAME_WEIGHTS}}


def _digests(folder: Folder, file: Mapping[str, Any], name: str) -> dict[int, str]:
    """Scale -> checksum of the file that a model is loaded from, as far as the entry or a record states it."""
    if stated := file.get("sha256"):
        return dict.fromkeys(_SCALES, stated)
    records = {a.scale: folder.json(a) for a in folder.of_kind("weights", "json") if a.model == name}
    return {scale: record["given_sha256"] for scale, record in records.items() if "given_sha256" in record}


def _place(file: Mapping[str, Any]) -> str:
    url = file.get("url") or ""
    return Path(file.get("path") or (url if isinstance(url, str) else url[0])).name
