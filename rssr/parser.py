"""The options of the commands for people, see rssr.__main__."""

import argparse
import math
import os
from pathlib import Path

import torch

from rssr.base import ROOT, devices
from rssr.base.errors import UserError
from rssr.base.process import Parser


def parse(about: str) -> argparse.Namespace:
    """The command and its options, as typed; the folder of `--directory` becomes the working directory.

    UserError for a folder without a run, unless one is planned.

    Args:
        about: what the commands are for.
    """
    arguments = _parser(about).parse_args()
    if folder := getattr(arguments, "directory", None):
        for key, value in vars(arguments).items():
            if isinstance(value, Path):
                setattr(arguments, key, value.absolute())
            elif isinstance(value, list):
                setattr(arguments, key, [part.absolute() if isinstance(part, Path) else part for part in value])
        os.chdir(folder)
        if arguments.command != "plan" and not Path("results").is_dir():
            raise UserError(f"--directory {folder}: no run is in it", "name the folder of a run")
    return arguments


def _parser(about: str) -> Parser:
    parser = Parser(prog="python -m rssr", description=about)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    described = commands.add_parser(
        "schema", help="print the configuration's JSON schema; config/schema.json is a copy of it"
    )
    described.add_argument("--markdown", action="store_true", help="as text; docs/configuration.md is a copy of it")

    models = commands.add_parser("models", help="list the models of a configuration")
    upscale = commands.add_parser("upscale", help="upscale an image file")
    export = commands.add_parser("export", help="write a model's weights, or its training, for other code")
    for command in (models, upscale, export):
        command.add_argument(
            "--config",
            type=Path,
            nargs="+",
            default=[ROOT / f"config/{name}.yaml" for name in ("config", "paper", "zoo", "pretrained")],
            help="configuration files, as for `snakemake --configfile`; by default all that the suite knows",
        )
        _add_directory(command)
    _add_upscale(upscale)
    for command in (upscale, export):
        command.add_argument("--scale", type=int, help="one of several; the first by default")
        command.add_argument("--seed", type=int, help="of a trained model, one of several; the first by default")
    devices.add_options(upscale, threads=torch.get_num_threads())
    export.add_argument("model", help="a name that `python -m rssr models` lists")
    export.add_argument(
        "--as",
        dest="form",
        required=True,
        choices=("basicsr", "basicsr-options", "safetensors"),
        help="names of the authors' code in {'params': ...}, options for `python -m rssr basicsr`, or names as here",
    )
    export.add_argument("-o", "--out", type=Path, required=True, help=".pth (basicsr), .yml (options) or .safetensors")
    export.add_argument("--overwrite", action="store_true", help="the output may exist")
    basicsr = commands.add_parser("basicsr", help="train by an option file of BasicSR 1.4.2, on one device")
    basicsr.add_argument("options", type=Path, help=".yml, as `export` writes it")
    devices.add_options(basicsr, threads=torch.get_num_threads())
    _add_plan(commands)
    _add_compare(commands)
    _add_partitions(commands)
    gpu = commands.add_parser(
        "gpu-report", help="measure every GPU figure of the project; nothing new is begun after 7 minutes"
    )
    gpu.add_argument("--out", type=Path, required=True, help="folder for a JSON file of each part")
    devices.add_options(gpu, threads=torch.get_num_threads())
    gpu.set_defaults(device="cuda")
    gpu.add_argument("--quick", action="store_true", help="small sizes and few calls, to try the command")
    return parser


def _add_directory(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--directory", type=Path, metavar="FOLDER", help="of the run, as Snakemake's; by default the working directory"
    )


def _add_upscale(upscale: argparse.ArgumentParser) -> None:
    upscale.add_argument("image", type=Path, help="GeoTIFF, PNG, JPEG and others, any size")
    upscale.add_argument("--model", required=True, help="a name that `python -m rssr models` lists")
    upscale.add_argument("-o", "--out", type=Path, required=True, help=".tif keeps the georeferencing; or .png")
    upscale.add_argument(
        "--tile", type=int, nargs=2, metavar=("SIZE", "OVERLAP"), help="of the input; the entry's, or 256 32"
    )
    upscale.add_argument(
        "--bands",
        type=int,
        nargs="+",
        metavar="BAND",
        help="which bands are red, green and blue, from 1; more are upscaled by threes, the rest as gray",
    )
    upscale.add_argument(
        "--stretch",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="values that become black and white, for other than 8 bits; the output keeps the input's units",
    )
    upscale.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the output, unless it is read itself, and remove what belonged to it",
    )


def _add_plan(commands: argparse._SubParsersAction) -> None:
    planned = commands.add_parser("plan", help="what a run would need: weights, images, disk, jobs")
    planned.add_argument(
        "--configfile", type=Path, nargs="+", default=[ROOT / "config/config.yaml"], help="as Snakemake's"
    )
    _add_directory(planned)
    planned.add_argument(
        "--steps-per-second",
        type=_speed,
        nargs="+",
        default=[],
        metavar="[MODEL=]VALUE",
        help="training speed of a model, or of every other, for the hours; by default what gpu-report wrote into "
        "results/reference/gpu",
    )


def _add_compare(commands: argparse._SubParsersAction) -> None:
    about = (
        "does one run, B, reproduce another, A? Exit code 0: yes; 1: scores differ, or B lacks a test set, a model or "
        "images of A; 2: cannot be compared"
    )
    compare = commands.add_parser("compare", help=about, description=about)
    compare.add_argument(
        "folders", type=Path, nargs=2, metavar="FOLDER", help="A, then B: `results` of a run or a copy"
    )
    compare.add_argument(
        "--tolerance",
        type=_tolerance,
        default=0.005,
        metavar="DB",
        help="of PSNR; half a unit of the last printed digit by default, and the same of every other metric",
    )
    compare.add_argument(
        "--trained-tolerance",
        type=_tolerance,
        metavar="DB",
        help="of networks that both runs trained by the same recipe and seed, since another processor trains them to "
        "other digits; by default as --tolerance",
    )
    compare.add_argument("--html", type=Path, metavar="FILE", help="also write a page, with both quality tables")
    merge = commands.add_parser("merge", help="results of several machines as one folder, with one page")
    merge.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="`results` of a run, or a copy of it")
    merge.add_argument("-o", "--out", type=Path, required=True, help="a new folder")


def _add_partitions(commands: argparse._SubParsersAction) -> None:
    partitions = commands.add_parser("partitions", help="write the partitions of this machine's Slurm, for its profile")
    partitions.add_argument("-o", "--out", type=Path, required=True, help="such as profiles/slurm/partitions.yaml")


def _finite(text: str) -> float:
    """A number of an option; -1 for what is none, which no option takes."""
    try:
        value = float(text)
    except ValueError:
        return -1
    return value if math.isfinite(value) else -1


def _tolerance(text: str) -> float:
    if (value := _finite(text)) < 0:
        raise argparse.ArgumentTypeError(f"a number of at least 0 is expected, not {text!r}")
    return value


def _speed(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    if (speed := _finite(value)) <= 0:
        raise argparse.ArgumentTypeError(f"[MODEL=]VALUE with a number above 0 is expected, not {text!r}")
    return name, speed
