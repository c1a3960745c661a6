"""Commands for people: upscale a picture, list and export models, plan, compare and merge runs, measure a GPU."""

import argparse
import json
import math
import os
import sys
import zlib
from pathlib import Path

try:
    import torch
    import yaml
    from tqdm import tqdm
except ModuleNotFoundError as error:
    sys.exit(f"error: {error.name} is not installed here: activate the environment, as in source .venv/bin/activate")

from rssr.base import ROOT, devices, slurm
from rssr.base.errors import UserError
from rssr.base.files import replacing, size_in_words
from rssr.base.process import Parser, refused, run
from rssr.config import Config, load
from rssr.config.document import markdown
from rssr.config.schema import schema


def main() -> None:
    """Parse the arguments and call the library."""
    parser = Parser(prog="python -m rssr", description=__doc__)
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
    _add_upscale(upscale)
    for command in (upscale, export):
        command.add_argument("--scale", type=int, help="one of several; the first by default")
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
    arguments = parser.parse_args()
    called = {"schema": _schema, "models": _models, "upscale": _upscale, "export": _export, "basicsr": _basicsr}
    called |= {"plan": _plan, "compare": _compare, "merge": _merge, "gpu-report": _gpu_report}
    called |= {"partitions": _partitions}
    called[arguments.command](arguments)


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
    planned = commands.add_parser("plan", help="what a run would need: weights, images, disk, jobs; changes nothing")
    planned.add_argument(
        "--configfile", type=Path, nargs="+", default=[ROOT / "config/config.yaml"], help="as Snakemake's"
    )
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


def _schema(arguments: argparse.Namespace) -> None:
    print(markdown() if arguments.markdown else json.dumps(schema(), indent=2), end="" if arguments.markdown else "\n")


def _models(arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    from rssr.steps.catalogue import describe

    config = load(*arguments.config)
    found = list(tqdm(describe(config), "models", len(config.models), leave=False, disable=None))
    headers = {key: "parameters (M)" if key == "parameters_m" else key for key in found[0][0]}
    print(tabulate([row for row, _ in found], headers=headers, floatfmt=".3f", missingval="–"))
    if wrong := [f"error: {error}" for _, error in found if error]:
        sys.exit("\n".join(wrong))


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


def _plan(arguments: argparse.Namespace) -> None:
    from tabulate import tabulate

    from rssr.steps.prospect import prospect

    for title, rows in prospect(arguments.configfile, dict(arguments.steps_per_second)):
        print(f"{title}\n\n{tabulate(rows, headers='keys') or 'none'}\n", flush=True)


def _compare(arguments: argparse.Namespace) -> None:
    from rssr.render.comparison.folder import Folder, read_as_results
    from rssr.render.comparison.report import Report

    try:
        with read_as_results(*arguments.folders):
            report = Report(*map(Folder, arguments.folders), arguments.tolerance, arguments.trained_tolerance)
            lines = list(report.lines())
        if arguments.html:
            report.write_html(arguments.html)
    except (UserError, OSError) as error:  # exit code 1 would say that scores differ
        said = refused(error) if isinstance(error, OSError) and error.filename else error
        print(f"error: {said}", file=sys.stderr)
        sys.exit(2)
    print("\n".join(lines))
    sys.exit(0 if report.comparison.reproduced else 1)


def _merge(arguments: argparse.Namespace) -> None:
    from rssr.render.comparison.folder import Folder, read_as_results
    from rssr.render.merging import merge

    with read_as_results(*arguments.folders):
        for line in merge(list(map(Folder, arguments.folders)), arguments.out):
            print(line)


def _gpu_report(arguments: argparse.Namespace) -> None:
    from rssr.steps.gpu_report import report

    for line in report(arguments.out, devices.prepare(arguments), arguments.quick):
        print(line, flush=True)


def _partitions(arguments: argparse.Namespace) -> None:
    found = yaml.safe_dump({"partitions": slurm.partitions()}, sort_keys=False)
    with replacing(arguments.out) as temporary:
        temporary.write_text(found, encoding="utf-8")


def _configured(arguments: argparse.Namespace) -> tuple[Config, int]:
    """The configuration and one of its scales, by --config and --scale."""
    config = load(*arguments.config)
    scale = config.scales[0] if arguments.scale is None else arguments.scale
    if scale not in config.scales:
        problem = f"--scale {scale}: the configuration has x{' and '.join(map(str, config.scales))} alone"
        raise UserError(problem, "name one that it has, or give a configuration with another `scale` by --config")
    return config, scale


def _export(arguments: argparse.Namespace) -> None:
    from rssr.steps.export import export

    config, scale = _configured(arguments)
    if note := export(config, arguments.model, scale, arguments.form, arguments.out, arguments.overwrite):
        print(f"{arguments.out}: note: {note}")
    print(f"{arguments.out}: {size_in_words(arguments.out.stat().st_size)}")


def _basicsr(arguments: argparse.Namespace) -> None:
    from rssr.steps.basicsr import run

    run(arguments.options, devices.prepare(arguments))


def _upscale(arguments: argparse.Namespace) -> None:
    import rasterio

    from rssr.models.entry import LEAST_TILE
    from rssr.models.registry import seed
    from rssr.steps.catalogue import load_model
    from rssr.steps.scenes import upscale_scene

    config, scale = _configured(arguments)
    device = devices.prepare(arguments)
    model = load_model(config, arguments.model, scale)
    seed(model, zlib.crc32(os.fsencode(arguments.image.stem)))
    tile = config.models[arguments.model].tile
    size, overlap = arguments.tile or ((tile.size, tile.overlap) if tile else (256, 32))
    if size < LEAST_TILE or not 0 <= 2 * overlap <= size:
        rule = f"the size is at least {LEAST_TILE}, and the overlap at most half of it"
        raise UserError(f"--tile {size} {overlap}: {rule}", "give others")
    asked = {key: getattr(arguments, key) for key in ("bands", "stretch", "overwrite")}
    called = f"models.{arguments.model}, {arguments.image}"
    for note in upscale_scene(
        model, arguments.image, arguments.out, scale, size, overlap, device=device, called=called, **asked
    ):
        print(f"{arguments.out}: note: {note}")
    with rasterio.open(arguments.out) as made:
        print(f"{arguments.out}: {made.width}x{made.height} pixels, {size_in_words(arguments.out.stat().st_size)}")


run(main)
