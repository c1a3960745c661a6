"""Source images -> HR images -> LR images, each folder with a manifest that is written last."""


rule fetch_dataset:
    input:
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
        "python {ROOT}/workflow/scripts/fetch_dataset.py --dataset {params.dataset:q} --folder {params.folder}"
        " --record {output} > {log} 2>&1"


rule prepare_images:
    input:
        sources=lambda wildcards: dag.sources(wildcards.dataset, wildcards.split),
        code=lambda wildcards: dag.code("prepare_images", dag.dataset_module(wildcards.dataset)),
    output:
        "results/data/{dataset}/{split}/manifest.csv",
    log:
        "results/logs/prepare_images/{dataset}_{split}.log",
    conda:
        "../../environment.yml"
    threads: 8
    params:
        dataset=lambda wildcards: dag.dataset(wildcards.dataset),
        folder="downloads/{dataset}",
        out=subpath(output[0], parent=True),
    shell:
        "python {ROOT}/workflow/scripts/prepare_images.py --dataset {params.dataset:q} --folder {params.folder}"
        " --split {wildcards.split} --out {params.out} --threads {threads} > {log} 2>&1"


rule degrade_images:
    input:
        manifest="results/data/{dataset}/{split}/manifest.csv",
        code=dag.code("degrade_images"),
    output:
        "results/data/{dataset}/{split}/LR/x{scale}-{degradation}/manifest.csv",
    log:
        "results/logs/degrade_images/{dataset}_{split}_x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    threads: 8
    params:
        split_dir=subpath(input.manifest, parent=True),
    shell:
        "python {ROOT}/workflow/scripts/degrade_images.py --split-dir {params.split_dir}"
        " --degradation {wildcards.degradation} --scale {wildcards.scale} --threads {threads} > {log} 2>&1"
