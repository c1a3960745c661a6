"""Ranges of large test sets, which score.smk and audit.smk merge into results with the bytes of a single job's."""

from snakemake.io import IOFile


def shards_of(kind, wildcards, most=None):
    """The results of shards that a result is merged from; none if it is made in one piece.

    A finished result keeps those that it was made of, as Snakemake has recorded them, since others give the same bytes.
    A job of a cluster that is tried again finds no result, but the main process has recorded its inputs when it failed.
    """
    result = pattern(kind).format(**wildcards)
    recorded = Path(result).exists() or workflow.attempt > 1
    made_of = workflow.persistence.input(IOFile(result)) if recorded else None
    if made_of is not None:
        return shards_among(made_of, f"{kind}_shard")
    shards = plan.shards(wildcards.dataset, most)
    return [pattern(f"{kind}_shard").format(**wildcards, shard=shard.name) for shard in shards]


def merge_option(wildcards, input):
    """The option that makes a script merge the results of shards; empty if there are none."""
    return f"--parts {' '.join(input.shards)}" if input.shards else ""


def gpus(wildcards, input):
    """How many GPUs a job asks for: merging needs none."""
    return 0 if input.shards else plan.model(wildcards).gpus


use rule upscale_images as upscale_shard with:
    input:
        lr=lambda wildcards: plan.test_set(wildcards).artifact("lr").path,
        weights=lambda wildcards: paths(plan.model(wildcards).weights(wildcards.dataset)),
        whole=lambda wildcards: remade_if_incomplete(pattern("sr_shard").format(**wildcards), sr_folder(wildcards)),
        shards=[],
        script=script("upscale_images"),
        code=lambda wildcards: code("upscale_images", plan.model(wildcards).module),
    output:
        manifest=pattern("sr_shard"),
        record=pattern("sr_shard_record"),
    log:
        "results/logs/upscale_shard/{dataset}/x{scale}-{degradation}/{model}/{shard}.log",
    params:
        range=lambda wildcards: f"--shard {wildcards.shard} --sr-dir {sr_folder(wildcards)}",


use rule score_images as score_shard with:
    input:
        sr=pattern("sr_shard"),
        hr=lambda wildcards: plan.test_set(wildcards).artifact("hr").path,
        lr=lambda wildcards: plan.test_set(wildcards).artifact("lr").path,
        metrics=expand(pattern("metric"), metric=plan.metrics_with_weights),
        shards=[],
        script=script("score_images"),
        code=code("score_images", *(METRICS[name].module for name in plan.config.metrics)),
    output:
        scores=pattern("scores_shard"),
        record=pattern("scores_shard", "json"),
    log:
        "results/logs/score_shard/{dataset}/x{scale}-{degradation}/{model}/{shard}.log",
    params:
        sr_dir=lambda wildcards: sr_folder(wildcards),
        range=lambda wildcards: f"--shard {wildcards.shard}",


use rule audit_protocol as audit_shard with:
    input:
        hr=lambda wildcards: plan.test_set(wildcards).artifact("hr").path,
        weights=lambda wildcards: paths(plan.model(wildcards).weights(wildcards.dataset)[:1]),
        shards=[],
        script=script("audit_protocol"),
        code=lambda wildcards: code("audit_protocol", plan.model(wildcards).module),
    output:
        measured=pattern("audit_shard"),
        record=pattern("audit_shard", "json"),
    log:
        "results/logs/audit_shard/{dataset}/x{scale}/{model}/{shard}.log",
    params:
        range=lambda wildcards: f"--shard {wildcards.shard}",
