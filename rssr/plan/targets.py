"""What a run leaves: every file that the DAG is asked for by name."""

from collections.abc import Iterable
from pathlib import Path

from rssr.plan.dag import Dag


def each(dag: Dag, *patterns: str) -> list[str]:
    """The patterns filled with every test set, degradation and model, each file once, in order."""
    values = [
        {"dataset": dataset, "degradation": degradation, "model": model}
        | {"scale": (scale := dag.scale_of(dataset)), "measured": dag.at(model, scale), "at": dag.at("", scale)}
        for dataset in dag.test_sets()
        for degradation in dag.config.degradations
        for model in dag.config.models
    ]
    return list(dict.fromkeys(pattern.format(**value) for pattern in patterns for value in values))


def everything(dag: Dag) -> list[str]:
    """Every result, not the last ones only: Snakemake makes a deleted file again if it is asked for by name."""
    per_model = each(
        dag,
        "results/data/{dataset}/test/manifest.csv",
        "results/data/{dataset}/test/LR/x{scale}-{degradation}/manifest.csv",
        "results/sr/{dataset}/{degradation}/{model}/manifest.csv",
        "results/scores/{dataset}/{degradation}/{model}.csv",
        "results/scores/{dataset}/{degradation}/{model}.json",
        "results/spectra/{dataset}/{degradation}/{model}.csv",
        "results/profile/{measured}.json",
    )
    validation = data(dag, dag.test_sets(), "val")
    made = per_model + validation + audits(dag) + analyses(dag) + weights_of(dag, dag.test_sets())
    return made + tables(dag) + figures(dag)


def tables(dag: Dag) -> list[str]:
    """Every table, in its three renderings."""
    stems = each(dag, "quality_{dataset}_{degradation}", "significance_{dataset}_{degradation}", "complexity{at}")
    stems += [f"classes_{dataset}_{degradation}" for dataset, degradation in dag.compared() if dag.classes(dataset)]
    stems += [f"ablation_{dag.at(model, scale)}" for model in dag.ablated for scale in dag.scales]
    stems += [f"audit_{dataset}" for dataset in dag.audited_sets()]
    stems += ["quality"] if dag.test_sets() else []
    stems += ["published"] if dag.published_sets else []
    stems += ["training"] if dag.weights_records() else []
    return [f"results/tables/{stem}.{suffix}" for stem in stems for suffix in ("csv", "md", "tex")]


def figures(dag: Dag) -> list[str]:
    """Every figure, as PNG and PDF."""
    kinds = ("qualitative", "quality_cost", "distributions", "win_rate", "spectra")
    stems = each(dag, *(f"{kind}_{{dataset}}_{{degradation}}" for kind in kinds))
    stems += [f"training_curves_{dataset}" for dataset in dag.used_sets() if dag.curves(dataset)]
    stems += [f"audit_{dataset}_{model}" for dataset in dag.audited_sets() for model in dag.audited_models]
    stems += [f"attribution_{dataset}" for dataset in dict(dag.analysed)]
    stems += [f"{kind}_{model}" for _, model in dag.dissected for kind in ("architecture", "features")]
    # Drawn from a committed file, which whoever deletes results/ deletes as well.
    stems += ["mlstm_growth"] if Path("results/reference/mlstm_growth.csv").exists() else []
    return [f"results/figures/{stem}.{suffix}" for stem in stems for suffix in ("png", "pdf")]


def data(dag: Dag, datasets: Iterable[str], *splits: str) -> list[str]:
    """The prepared images of data sets: of all their splits, or of those named."""
    files = []
    for dataset in datasets:
        for split in dag.data_sets[dataset].splits:
            if not splits or split in splits:
                folder = f"results/data/{dataset}/{split}"
                names = [f"x{dag.scale_of(dataset)}-{name}" for name in dag.config.degradations]
                lr = [f"{folder}/LR/{name}/manifest.csv" for name in names]
                files += [f"{folder}/manifest.csv", *lr]
    return files


def weights_of(dag: Dag, datasets: Iterable[str]) -> list[str]:
    """The weights of every network for some data sets, with what they were made from and what tells of it."""
    files = []
    for dataset in datasets:
        for model in dag.config.models:
            for weights in dag.weights(model, dataset):
                stem = weights.removesuffix(".safetensors")
                files += [weights, f"{stem}.json"]
                if model in dag.trained:
                    home = dag.home(model, dataset)
                    train, lr = f"results/data/{home}/train", dag.training_lr(home)
                    files += [f"{stem}.csv", f"{train}/manifest.csv", f"{train}/LR/{lr}/manifest.csv"]
    return list(dict.fromkeys(files))


def audits(dag: Dag) -> list[str]:
    """What the audit of the measuring protocol measures."""
    stems = [f"results/audit/{dataset}/{model}" for dataset in dag.audited_sets() for model in dag.audited_models]
    return [f"{stem}.{suffix}" for stem in stems for suffix in ("csv", "json")]


def analyses(dag: Dag) -> list[str]:
    """What is measured inside networks."""
    stems = [f"attribution_{dataset}_{model}" for dataset, model in dag.analysed]
    files = [f"results/analysis/{stem}.{suffix}" for stem in stems for suffix in ("npz", "json")]
    return files + [f"results/analysis/features_{dataset}_{model}.npz" for dataset, model in dag.dissected]


def published(dag: Dag) -> list[str]:
    """What the repository keeps of a run, beside a report; figures only where their images may be passed on."""
    kept = ("tables", "scores", "profile", "audit", *(["figures"] if dag.shown else []))
    folders = tuple(f"results/{folder}/" for folder in kept)
    return [file for file in everything(dag) if file.startswith(folders)] + ["results/provenance.json"]
