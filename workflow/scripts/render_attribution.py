"""Draw local attribution maps and effective receptive fields of some models on one image."""

from pathlib import Path

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.figures.networks import Attribution, attribution_maps
from rssr.render.figures.style import save
from rssr.steps.inside import read_arrays


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--records", "--scale", "--out")
    parser.add_argument("--measured", nargs="+", type=Path, required=True, help="npz files, one per model")
    arguments = parser.parse_args()
    measured = []
    records = by_model(arguments.records)
    for name, path in by_model(arguments.measured).items():
        arrays, facts = read_arrays(path), read_json(records[name])
        box = [side / arguments.scale for side in facts["square_of_the_part"]]
        indices = (facts["attribution_diffusion_index"], facts["receptive_field_diffusion_index"])
        maps = (arrays["attribution"], arrays["receptive_field"])
        measured.append(Attribution(arguments.models[name]["label"], arrays["lr"], box, *maps, indices))
    save(attribution_maps(measured), arguments.out)


run(main)
