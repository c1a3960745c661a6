"""Analysis of networks: which LR pixels SR depends on, feature maps, and the architecture from the configuration."""


rule measure_attribution:
    input:
        lr=lambda wildcards: plan.test_set(wildcards).artifact("lr").path,
        weights=lambda wildcards: paths(plan.model(wildcards).weights(wildcards.dataset)[:1]),
        script=script("measure_attribution"),
        code=lambda wildcards: code("measure_attribution", plan.model(wildcards).module),
    output:
        measured=pattern("attribution"),
        record=pattern("attribution", "json"),
    log:
        "results/logs/measure_attribution/{dataset}/x{scale}-{degradation}/{model}.log",
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=lambda wildcards: plan.model(wildcards).gpus,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=120,
    params:
        model=lambda wildcards: jobs.model(plan.model(wildcards)),
        own=own_modules,
        weights=weights_option,
        lr_dir=subpath(input.lr, parent=True),
        analysis=lambda wildcards: jobs.analysis(plan),
    message:
        STEP
    shell:
        "python {input.script} --model {params.model:q} {params.weights} --lr-dir {params.lr_dir}"
        " --scale {wildcards.scale} --analysis {params.analysis:q} --out {output.measured} --threads {threads} > {log} 2>&1"


rule render_attribution:
    input:
        measured=paths(test.artifact("attribution", "npz", model.name) for test, model in plan.analysed),
        records=paths(test.artifact("attribution", "json", model.name) for test, model in plan.analysed),
        script=script("render_attribution"),
        code=code("render_attribution"),
    output:
        report(
            patterns("attribution_map"),
            caption="../report/attribution_map.rst",
            category="Networks",
            labels={"data set": "{dataset}"},
        ),
    log:
        "results/logs/render_attribution/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(model for _, model in plan.analysed),
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --measured {input.measured}"
        " --records {input.records} --scale {wildcards.scale} --out {params.out} > {log} 2>&1"


rule measure_features:
    input:
        lr=lambda wildcards: plan.test_set(wildcards).artifact("lr").path,
        weights=lambda wildcards: paths(plan.model(wildcards).weights(wildcards.dataset)[:1]),
        script=script("measure_features"),
        code=code("measure_features"),
    output:
        pattern("features"),
    log:
        "results/logs/measure_features/{dataset}/x{scale}-{degradation}/{model}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=1,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=120,
    params:
        model=lambda wildcards: jobs.model(plan.model(wildcards)),
        own=own_modules,
        weights=weights_option,
        lr_dir=subpath(input.lr, parent=True),
        analysis=lambda wildcards: jobs.analysis(plan),
    message:
        STEP
    shell:
        "python {input.script} --model {params.model:q} {params.weights} --lr-dir {params.lr_dir}"
        " --analysis {params.analysis:q} --out {output} > {log} 2>&1"


rule render_features:
    input:
        measured=pattern("features"),
        script=script("render_features"),
        code=code("render_features"),
    output:
        report(
            patterns("feature_maps"),
            caption="../report/feature_maps.rst",
            category="Networks",
            labels={"model": "{model}"},
        ),
    log:
        "results/logs/render_features/{dataset}/x{scale}-{degradation}/{model}.log",
    conda:
        "../../environment.yml"
    params:
        label=lambda wildcards: plan.model(wildcards).label,
        analysis=lambda wildcards: jobs.analysis(plan),
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --label {params.label:q} --measured {input.measured} --analysis {params.analysis:q}"
        " --out {params.out} > {log} 2>&1"


rule render_architecture:
    input:
        script=script("render_architecture"),
        code=code("render_architecture"),
    output:
        report(
            patterns("architecture"),
            caption="../report/architecture.rst",
            category="Networks",
            labels={"model": "{model}"},
        ),
    log:
        "results/logs/render_architecture/x{scale}/{model}.log",
    conda:
        "../../environment.yml"
    params:
        label=lambda wildcards: plan.model(wildcards).label,
        model=lambda wildcards: jobs.architecture(plan.model(wildcards)),
        own=own_modules,
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --label {params.label:q} --model {params.model:q} --out {params.out} > {log} 2>&1"
