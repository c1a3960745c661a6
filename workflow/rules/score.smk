"""LR images -> SR images -> scores; and what each model costs."""


rule upscale_images:
    input:
        lr=lambda wildcards: plan.test_set(wildcards).artifact("lr").path,
        weights=lambda wildcards: paths(plan.model(wildcards).weights(wildcards.dataset)),
        whole=lambda wildcards: remade_if_incomplete(pattern("sr").format(**wildcards)),
        shards=lambda wildcards: shards_of("sr", wildcards),
        script=script("upscale_images"),
        code=lambda wildcards: code("upscale_images", plan.model(wildcards).module),
    output:
        manifest=pattern("sr"),
        record=pattern("sr_record"),
    log:
        "results/logs/upscale_images/{dataset}/x{scale}-{degradation}/{model}.log",
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=lambda wildcards, input: gpus(wildcards, input),
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=240,
    params:
        model=lambda wildcards: jobs.model(plan.model(wildcards)),
        own=own_modules,
        draws=lambda wildcards: plan.model(wildcards).config.draws,
        weights=weights_option,
        lr_dir=subpath(input.lr, parent=True),
        out=subpath(output.manifest, parent=True),
        range=lambda wildcards, input: merge_option(wildcards, input),
    message:
        STEP
    shell:
        "python {input.script} --model {params.model:q} {params.weights} {params.range}"
        " --draws {params.draws} --lr-dir {params.lr_dir} --out {params.out} --threads {threads} --code {input.code} > {log} 2>&1"


rule fetch_metric:
    input:
        script=script("fetch_metric"),
        code=lambda wildcards: code("fetch_metric", METRICS[wildcards.metric].module),
    output:
        pattern("metric"),
    log:
        "results/logs/fetch_metric/{metric}.log",
    conda:
        "../../environment.yml"
    params:
        required=lambda wildcards: ("--required" if plan.config.metrics[wildcards.metric].required else ""),
        weights_dir=plan.config.weights_dir,
    message:
        STEP
    shell:
        "python {input.script} --metric {wildcards.metric} --folder {params.weights_dir:q}"
        " {params.required} --record {output} > {log} 2>&1"


rule score_images:
    input:
        sr=pattern("sr"),
        hr=lambda wildcards: plan.test_set(wildcards).artifact("hr").path,
        lr=lambda wildcards: plan.test_set(wildcards).artifact("lr").path,
        metrics=expand(pattern("metric"), metric=plan.metrics_with_weights),
        shards=lambda wildcards: shards_of("scores", wildcards),
        script=script("score_images"),
        code=code("score_images", *(METRICS[name].module for name in plan.config.metrics)),
    output:
        scores=pattern("scores"),
        record=pattern("scores", "json"),
    log:
        "results/logs/score_images/{dataset}/x{scale}-{degradation}/{model}.log",
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        runtime=120,
    params:
        sr_dir=subpath(input.sr, parent=True),
        hr_dir=subpath(input.hr, parent=True),
        lr_dir=subpath(input.lr, parent=True),
        steps=lambda wildcards: jobs.degradation(plan, wildcards.degradation),
        metrics=list(plan.config.metrics),
        weights_dir=plan.config.weights_dir,
        crop=lambda wildcards: plan.test_set(wildcards).crop,
        range=lambda wildcards, input: merge_option(wildcards, input),
    message:
        STEP
    shell:
        "python {input.script} --manifest {input.sr} {params.range} --sr-dir {params.sr_dir} --hr-dir {params.hr_dir} --lr-dir {params.lr_dir}"
        " --steps {params.steps:q} --scale {wildcards.scale}"
        " --metrics {params.metrics} --records {input.metrics} --weights-dir {params.weights_dir:q}"
        " --crop {params.crop} --jobs {threads} --scores {output.scores} > {log} 2>&1"


# All cores and the GPU, so that no other job runs during timing.
rule profile_model:
    input:
        weights=lambda wildcards: paths(plan.weights_for_profile(plan.model(wildcards))),
        script=script("profile_model"),
        code=lambda wildcards: code("profile_model", plan.model(wildcards).module),
    output:
        pattern("profile"),
    log:
        "results/logs/profile_model/x{scale}/{model}.log",
    conda:
        "../../environment.yml"
    threads: ALL_CORES
    resources:
        gpu=lambda wildcards: plan.model(wildcards).gpus,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
    params:
        model=lambda wildcards: jobs.architecture(plan.model(wildcards)),
        own=own_modules,
        weights=weights_option,
        profile=lambda wildcards: jobs.profile(plan),
    message:
        STEP
    shell:
        "python {input.script} --model {params.model:q} {params.weights}"
        " --profile {params.profile:q} --out {output} --threads {threads} > {log} 2>&1"
