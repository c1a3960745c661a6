"""Commands for people: upscale a picture, list and export models, plan, compare and merge runs, measure a GPU."""

import argparse
import json
import os
import sys
import zlib

try:
    import yaml
    from tqdm import tqdm

    from rssr.parser import parse
except ModuleNotFoundError as error:
    sys.exit(f"error: {error.name} is not installed here: activate the environment, as in source .venv/bin/activate")

from rssr.base import devices, slurm
from rssr.base.errors import UserError
from rssr.base.files import replacing, size_in_words
from rssr.base.process import refused, run
from rssr.config import Config, load
from rssr.config.document import markdown
from rssr.config.schema import schema


def main() -> None:
    """Parse the arguments and call the library."""
    arguments = parse(__doc__)
    called = {"schema": _schema, "models": _models, "upscale": _upscale, "export": _export, "basicsr": _basicsr}
    called |= {"plan": _plan, "compare": _compare, "merge": _merge, "gpu-report": _gpu_report}
    called |= {"partitions": _partitions}
    called[arguments.command](arguments)


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
    """The configuration, with one seed of the model if asked, and one of its scales: --config, --seed and --scale."""
    from rssr.steps.trained import with_seed

    config = load(*arguments.config)
    if arguments.seed is not None:
        config = with_seed(config, arguments.model, arguments.seed)
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
    from rssr.steps.trained import notes_on

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
    notes = upscale_scene(
        model, arguments.image, arguments.out, scale, size, overlap, device=device, called=called, **asked
    )
    for note in (*notes_on(config, arguments.model, scale), *notes):
        print(f"{arguments.out}: note: {note}")
    with rasterio.open(arguments.out) as made:
        print(f"{arguments.out}: {made.width}x{made.height} pixels, {size_in_words(arguments.out.stat().st_size)}")


run(main)
