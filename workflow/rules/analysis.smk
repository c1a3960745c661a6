"""The inside of networks: which LR pixels SR depends on, feature maps, and the architecture from the configuration."""


rule measure_attribution:
    input:
        lr=lambda wildcards: dag.lr(wildcards.dataset, dag.training_degradation),
        weights=lambda wildcards: dag.weights(wildcards.model, wildcards.dataset),
        script=dag.script("measure_attribution"),
        code=lambda wildcards: dag.code("measure_attribution", dag.arch_module(wildcards.model)),
    output:
        measured="results/analysis/attribution_{dataset}_{model}.npz",
        facts="results/analysis/attribution_{dataset}_{model}.json",
    log:
        "results/logs/measure_attribution/{dataset}_{model}.log",
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
    params:
        model=lambda wildcards: dag.model(wildcards.model, dag.scale_of(wildcards.dataset)),
        weights=lambda wildcards, input: (f"--weights {input.weights[0]}" if input.weights else ""),
        lr_dir=subpath(input.lr, parent=True),
        scale=lambda wildcards: dag.scale_of(wildcards.dataset),
        analysis=dag.analysis,
    shell:
        "python {input.script} --model {params.model:q} {params.weights} --lr-dir {params.lr_dir}"
        " --scale {params.scale} --analysis {params.analysis:q} --out {output.measured} --threads {threads} > {log} 2>&1"


rule render_attribution:
    input:
        measured=lambda wildcards: expand(
            "results/analysis/attribution_{name}.npz",
            name=[f"{dataset}_{model}" for dataset, model in dag.analysed],
        ),
        facts=lambda wildcards: expand(
            "results/analysis/attribution_{name}.json",
            name=[f"{dataset}_{model}" for dataset, model in dag.analysed],
        ),
        script=dag.script("render_attribution"),
        code=dag.code("render_attribution"),
    output:
        report(
            multiext("results/figures/attribution_{dataset}", ".png", ".pdf"),
            caption="../report/attribution.rst",
            category="Networks",
            labels={"data set": "{dataset}"},
        ),
    log:
        "results/logs/render_attribution/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        labels=[dag.config.models[model].label for _, model in dag.analysed],
        scale=lambda wildcards: dag.scale_of(wildcards.dataset),
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --labels {params.labels:q} --measured {input.measured}"
        " --facts {input.facts} --scale {params.scale} --out {params.out} > {log} 2>&1"


rule measure_features:
    input:
        lr=lambda wildcards: dag.lr(wildcards.dataset, dag.training_degradation),
        weights=lambda wildcards: dag.weights(wildcards.model, wildcards.dataset),
        script=dag.script("measure_features"),
        code=dag.code("measure_features"),
    output:
        "results/analysis/features_{dataset}_{model}.npz",
    log:
        "results/logs/measure_features/{dataset}_{model}.log",
    conda:
        "../../environment.yml"
    params:
        model=lambda wildcards: dag.model(wildcards.model, dag.scale_of(wildcards.dataset)),
        weights=lambda wildcards, input: (f"--weights {input.weights[0]}" if input.weights else ""),
        lr_dir=subpath(input.lr, parent=True),
        analysis=dag.analysis,
    shell:
        "python {input.script} --model {params.model:q} {params.weights} --lr-dir {params.lr_dir}"
        " --analysis {params.analysis:q} --out {output} > {log} 2>&1"


rule render_features:
    input:
        measured=lambda wildcards: "results/analysis/features_{}_{}.npz".format(
            *next(pair for pair in dag.dissected if pair[1] == wildcards.model)
        ),
        script=dag.script("render_features"),
        code=dag.code("render_features"),
    output:
        report(
            multiext("results/figures/features_{model}", ".png", ".pdf"),
            caption="../report/features.rst",
            category="Networks",
            labels={"model": "{model}"},
        ),
    log:
        "results/logs/render_features/{model}.log",
    conda:
        "../../environment.yml"
    params:
        label=lambda wildcards: dag.config.models[wildcards.model].label,
        analysis=dag.analysis,
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --label {params.label:q} --measured {input.measured} --analysis {params.analysis:q}"
        " --out {params.out} > {log} 2>&1"


rule render_architecture:
    input:
        script=dag.script("render_architecture"),
        code=dag.code("render_architecture"),
    output:
        report(
            multiext("results/figures/architecture_{model}", ".png", ".pdf"),
            caption="../report/architecture.rst",
            category="Networks",
            labels={"model": "{model}"},
        ),
    log:
        "results/logs/render_architecture/{model}.log",
    conda:
        "../../environment.yml"
    params:
        label=lambda wildcards: dag.config.models[wildcards.model].label,
        model=lambda wildcards: dag.architecture(wildcards.model, dag.scales[0]),
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --label {params.label:q} --model {params.model:q} --out {params.out} > {log} 2>&1"
