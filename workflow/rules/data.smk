"""Source images -> HR images -> LR images, each folder with a manifest that is written last."""


rule fetch_dataset:
    input:
        script=dag.script("fetch_dataset"),
        code=lambda wildcards: dag.code("fetch_dataset", dag.dataset_module(dag.first(wildcards.source))),
        lists=lambda wildcards: dag.dataset_lists(dag.first(wildcards.source)),
    output:
        "downloads/{source}/fetched.json",
    log:
        "results/logs/fetch_dataset/{source}.log",
    conda:
        "../../environment.yml"
    params:
        dataset=lambda wildcards: dag.dataset(dag.first(wildcards.source)),
        folder="downloads/{source}",
        source=lambda wildcards: dag.fetched_from(dag.first(wildcards.source)),
    message:
        "{params.source}"
    shell:
        "python {input.script} --dataset {params.dataset:q} --folder {params.folder}"
        " --record {output} 2>&1 | tee {log}"


rule prepare_images:
    input:
        sources=lambda wildcards: dag.sources(wildcards.dataset, wildcards.split),
        script=dag.script("prepare_images"),
        code=lambda wildcards: dag.code("prepare_images", dag.dataset_module(wildcards.dataset)),
        lists=lambda wildcards: dag.dataset_lists(wildcards.dataset),
    output:
        manifest="results/data/{dataset}/{split}/manifest.csv",
        facts="results/data/{dataset}/{split}/provenance.json",
    log:
        "results/logs/prepare_images/{dataset}_{split}.log",
    conda:
        "../../environment.yml"
    threads: 8
    params:
        dataset=lambda wildcards: dag.dataset(wildcards.dataset),
        folder=lambda wildcards: f"downloads/{dag.base_of(wildcards.dataset)}",
        multiple=lambda wildcards: dag.scale_of(wildcards.dataset),
        out=subpath(output.manifest, parent=True),
    shell:
        "python {input.script} --dataset {params.dataset:q} --folder {params.folder}"
        " --split {wildcards.split} --multiple-of {params.multiple} --out {params.out} --threads {threads} > {log} 2>&1"


rule degrade_images:
    input:
        manifest="results/data/{dataset}/{split}/manifest.csv",
        script=dag.script("degrade_images"),
        code=dag.code("degrade_images"),
    output:
        manifest="results/data/{dataset}/{split}/LR/x{scale}-{degradation}/manifest.csv",
        facts="results/data/{dataset}/{split}/LR/x{scale}-{degradation}/provenance.json",
    log:
        "results/logs/degrade_images/{dataset}_{split}_x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    threads: 8
    params:
        steps=lambda wildcards: dag.degradation(wildcards.degradation),
        split_dir=subpath(input.manifest, parent=True),
    shell:
        "python {input.script} --split-dir {params.split_dir} --steps {params.steps:q}"
        " --degradation {wildcards.degradation} --scale {wildcards.scale} --threads {threads} > {log} 2>&1"


rule data:
    input:
        targets.data(dag, dag.data_sets),


rule data_status:
    input:
        script=dag.script("data_status"),
    log:
        "results/logs/data_status.log",
    conda:
        "../../environment.yml"
    params:
        datasets=dag.data_set_entries,
    shell:
        "python {input.script} --datasets {params.datasets:q} 2>&1 | tee {log}"
