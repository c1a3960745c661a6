"""Render the quality table of one test set."""

from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.literature import for_test_set
from rssr.render.scores import absent, left_out, not_loaded, read_replicates, read_scores, repeated, tiled
from rssr.render.tables.quality import quality
from rssr.render.tables.scored import not_computed


def main() -> None:
    """Parse the arguments and call the library."""
    arguments = options.parser(
        __doc__,
        *("--models", "--scores", "--records", "--hr-manifest", "--literature", "--test-set", "--statistics"),
        *("--loaded", "--notes", "--out"),
    ).parse_args()
    unit = arguments.test_set.unit
    scores = {name: read_scores(path, unit) for name, path in by_model(arguments.scores).items()}
    for name, path in by_model(arguments.records).items():
        arguments.models[name]["notes"] += tiled(path)
    for name, path in by_model(arguments.loaded).items():
        arguments.models[name]["notes"] += not_loaded(path)
    images = next(iter(scores.values()))["image"].nunique()
    literature = for_test_set(arguments.literature, arguments.test_set, images)
    replicates = {name: read_replicates(path) for name, path in by_model(arguments.scores).items()}
    shares = list(repeated(arguments.hr_manifest).values())
    twice = sum(shares) / len(shares)
    table = quality(scores, arguments.models, arguments.test_set, arguments.statistics, replicates, literature, twice)
    table.notes += not_computed(absent(arguments.records)) + left_out(arguments.hr_manifest) + arguments.notes
    table.write(arguments.out)


run(main)
