"""The weights of a model, or its training, written for other code."""

from pathlib import Path

from rssr.base.errors import UserError
from rssr.config import Config
from rssr.models.registry import network_of
from rssr.models.weights import write_basicsr, write_weights
from rssr.steps.basicsr import write_options
from rssr.steps.catalogue import file_of, load_model
from rssr.steps.trained import chosen, notes_on, trained_on

SUFFIXES = {"basicsr": ".pth", "basicsr-options": ".yml", "safetensors": ".safetensors"}


def export(config: Config, name: str, scale: int, form: str, path: Path, overwrite: bool = False) -> str:
    """Write the weights of a model of the configuration, trained or loaded, or how BasicSR trains it.

    Args:
        config: the configuration.
        name: the model's name in it.
        scale: one of its scales.
        form: "basicsr", see write_basicsr(), "safetensors", under the names of the network here, or "basicsr-options",
            see write_options().
        path: the file, with the suffix of SUFFIXES.
        overwrite: whether it may exist; never, if the entry's weights are read from it.

    Returns:
        Notes, see trained.notes_on(), and how the output of the authors' code with the file differs; else empty.

    Raises:
        UserError: for another suffix, a file that exists, a model without weights, or one that the authors' code has no
            counterpart of.
    """
    if path.suffix != SUFFIXES[form]:
        raise UserError(f"-o {path}: a file for {form} ends in {SUFFIXES[form]}")
    for made in [path, *([path.with_suffix(".txt")] if form == "basicsr-options" else [])]:
        if made.exists() and not overwrite:
            raise UserError(f"-o {path}: {made} exists", "name another file, or add --overwrite")
    if form == "basicsr-options":
        write_options(config, name, scale, path)
        return "; ".join(chosen(config, name, trained_on(config, name)))
    network = network_of(load_model(config, name, scale, training=True))
    files = [Path(file["path"]) for file in file_of(config, name, scale).values()]
    if path.exists() and any(map(path.samefile, files)):
        raise UserError(f"-o {path} is the file that models.{name} is loaded from", "name another file")
    if not network.state_dict():
        raise UserError(f"models.{name} has no weights to export", "name a network that is trained or loaded")
    notes = notes_on(config, name, scale)
    if form == "safetensors":
        write_weights(path, network.state_dict(), scale)
    elif released := write_basicsr(path, network):
        notes.append(released.note)
    return "; ".join(notes)
