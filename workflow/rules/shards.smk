"""Ranges of large test sets, which score.smk and audit.smk merge into results with the bytes of a single job's."""


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
