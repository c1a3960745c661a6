"""LR images -> SR images -> scores; and what each model costs."""


rule upscale_images:
    input:
        lr=lambda wildcards: dag.lr(wildcards.dataset, wildcards.degradation),
        weights=lambda wildcards: dag.weights(wildcards.model, wildcards.dataset),
        script=dag.script("upscale_images"),
        code=lambda wildcards: dag.code("upscale_images", dag.arch_module(wildcards.model)),
    output:
        manifest="results/sr/{dataset}/{degradation}/{model}/manifest.csv",
        facts="results/sr/{dataset}/{degradation}/{model}/provenance.json",
    log:
        "results/logs/upscale_images/{dataset}_{degradation}_{model}.log",
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
    params:
        model=lambda wildcards: dag.model(wildcards.model, dag.scale_of(wildcards.dataset)),
        weights=lambda wildcards, input: (f"--weights {input.weights[0]}" if input.weights else ""),
        lr_dir=subpath(input.lr, parent=True),
        out=subpath(output.manifest, parent=True),
    shell:
        "python {input.script} --model {params.model:q} {params.weights}"
        " --lr-dir {params.lr_dir} --out {params.out} --threads {threads} --code {input.code} > {log} 2>&1"


rule fetch_metric:
    input:
        script=dag.script("fetch_metric"),
        code=lambda wildcards: dag.code("fetch_metric", dag.metric_module(wildcards.metric)),
    output:
        "results/metrics/{metric}.json",
    log:
        "results/logs/fetch_metric/{metric}.log",
    conda:
        "../../environment.yml"
    params:
        required=lambda wildcards: ("--required" if dag.config.metrics[wildcards.metric].required else ""),
        weights_dir=dag.config.weights_dir,
    shell:
        "python {input.script} --metric {wildcards.metric} --folder {params.weights_dir:q}"
        " {params.required} --record {output} > {log} 2>&1"


rule score_images:
    input:
        sr="results/sr/{dataset}/{degradation}/{model}/manifest.csv",
        hr="results/data/{dataset}/test/manifest.csv",
        lr=lambda wildcards: dag.lr(wildcards.dataset, wildcards.degradation),
        metrics=expand("results/metrics/{metric}.json", metric=dag.metrics_with_weights),
        script=dag.script("score_images"),
        code=dag.code("score_images", *map(dag.metric_module, dag.config.metrics)),
    output:
        scores="results/scores/{dataset}/{degradation}/{model}.csv",
        facts="results/scores/{dataset}/{degradation}/{model}.json",
    log:
        "results/logs/score_images/{dataset}_{degradation}_{model}.log",
    conda:
        "../../environment.yml"
    params:
        sr_dir=subpath(input.sr, parent=True),
        hr_dir="results/data/{dataset}/test/HR",
        lr_dir=subpath(input.lr, parent=True),
        steps=lambda wildcards: dag.degradation(wildcards.degradation),
        scale=lambda wildcards: dag.scale_of(wildcards.dataset),
        metrics=list(dag.config.metrics),
        weights_dir=dag.config.weights_dir,
        crop=lambda wildcards: dag.crop(wildcards.dataset),
    shell:
        "python {input.script} --sr-dir {params.sr_dir} --hr-dir {params.hr_dir} --lr-dir {params.lr_dir}"
        " --steps {params.steps:q} --scale {params.scale}"
        " --metrics {params.metrics} --records {input.metrics} --weights-dir {params.weights_dir:q}"
        " --crop {params.crop} --scores {output.scores} > {log} 2>&1"


# All cores and the GPU, so that nothing else runs while time is taken.
rule profile_model:
    input:
        weights=lambda wildcards: dag.profile_weights(wildcards.measured),
        script=dag.script("profile_model"),
        code=lambda wildcards: dag.code("profile_model", dag.arch_module(dag.measured[wildcards.measured][0])),
    output:
        "results/profile/{measured}.json",
    log:
        "results/logs/profile_model/{measured}.log",
    conda:
        "../../environment.yml"
    threads: ALL_CORES
    resources:
        gpu=1,
    params:
        model=lambda wildcards: dag.architecture(*dag.measured[wildcards.measured]),
        weights=lambda wildcards, input: (f"--weights {input.weights[0]}" if input.weights else ""),
        profile=dag.profile,
    shell:
        "python {input.script} --model {params.model:q} {params.weights}"
        " --profile {params.profile:q} --out {output} --threads {threads} > {log} 2>&1"
