"""Weights: trained here or loaded, in one place and one format."""


rule train_model:
    input:
        hr="results/data/{dataset}/train/manifest.csv",
        lr=lambda wildcards: f"results/data/{wildcards.dataset}/train/LR/{dag.training_lr(wildcards.dataset)}/manifest.csv",
        script=dag.script("train_model"),
        code=lambda wildcards: dag.code("train_model", dag.arch_module(wildcards.model)),
    output:
        weights="results/weights/{model}/{dataset}.safetensors",
        facts="results/weights/{model}/{dataset}.json",
        curve="results/weights/{model}/{dataset}.csv",
    log:
        "results/logs/train_model/{model}_{dataset}.log",
    wildcard_constraints:
        model="|".join(dag.trained) or "(?!)",
    conda:
        "../../environment.yml"
    threads: ALL_CORES
    resources:
        gpu=1,
    params:
        model=lambda wildcards: dag.network(wildcards.model, dag.scale_of(wildcards.dataset)),
        recipe=lambda wildcards: dag.recipe(wildcards.model),
        split_dir=subpath(input.hr, parent=True),
        degradation=dag.training_degradation,
    shell:
        "python {input.script} --model {params.model:q} --recipe {params.recipe:q}"
        " --split-dir {params.split_dir} --degradation {params.degradation} --weights {output.weights}"
        " --threads {threads} --code {input.code} 2>&1 | tee {log}"


rule load_weights:
    input:
        file=lambda wildcards: dag.weights_to_load(wildcards.model, dag.scale_of(wildcards.dataset)),
        script=dag.script("load_weights"),
        code=lambda wildcards: dag.code("load_weights", dag.arch_module(wildcards.model)),
    output:
        weights="results/weights/{model}/{dataset}.safetensors",
        facts="results/weights/{model}/{dataset}.json",
    log:
        "results/logs/load_weights/{model}_{dataset}.log",
    wildcard_constraints:
        model="|".join(dag.loaded) or "(?!)",
    conda:
        "../../environment.yml"
    params:
        model=lambda wildcards: dag.network(wildcards.model, dag.scale_of(wildcards.dataset)),
    shell:
        "python {input.script} --model {params.model:q} --downloads downloads/weights"
        " --weights {output.weights} > {log} 2>&1"
