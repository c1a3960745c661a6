"""Source images -> HR images -> LR images, each folder with a manifest that is written last."""


rule fetch_dataset:
    input:
        script=dag.script("fetch_dataset"),
        code=lambda wildcards: dag.code("fetch_dataset", dag.dataset_module(wildcards.dataset)),
    output:
        "downloads/{dataset}/fetched.json",
    log:
        "results/logs/fetch_dataset/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        dataset=lambda wildcards: dag.dataset(wildcards.dataset),
        folder="downloads/{dataset}",
    shell:
        "python {input.script} --dataset {params.dataset:q} --folder {params.folder}" " --record {output} > {log} 2>&1"


rule prepare_images:
    input:
        sources=lambda wildcards: dag.sources(wildcards.dataset, wildcards.split),
        script=dag.script("prepare_images"),
        code=lambda wildcards: dag.code("prepare_images", dag.dataset_module(wildcards.dataset)),
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
        folder="downloads/{dataset}",
        out=subpath(output.manifest, parent=True),
    shell:
        "python {input.script} --dataset {params.dataset:q} --folder {params.folder}"
        " --split {wildcards.split} --out {params.out} --threads {threads} > {log} 2>&1"


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
        split_dir=subpath(input.manifest, parent=True),
    shell:
        "python {input.script} --split-dir {params.split_dir}"
        " --degradation {wildcards.degradation} --scale {wildcards.scale} --threads {threads} > {log} 2>&1"
