"""Source images -> HR images -> LR images, each folder with a manifest that is written last."""


rule fetch_dataset:
    input:
        script=script("fetch_dataset"),
        code=lambda wildcards: code("fetch_dataset", data_set_module(plan.config.datasets[wildcards.dataset].module)),
        lists=lambda wildcards: data_set_lists(plan.config.datasets[wildcards.dataset].module),
    output:
        "downloads/{dataset}/fetched.json",
    log:
        "results/logs/fetch_dataset/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        dataset=lambda wildcards: jobs.data_set(plan, wildcards.dataset),
        folder="downloads/{dataset}",
        transfer=lambda wildcards: transfer(
            wildcards.dataset, plan.config.datasets[wildcards.dataset].label, plan.data_sets[wildcards.dataset]
        ),
    message:
        "{params.transfer}"
    shell:
        "python {input.script} --dataset {params.dataset:q} --folder {params.folder}"
        " --record {output} 2>&1 | tee {log}"


rule prepare_images:
    input:
        fetched=lambda wildcards: plan.fetched(wildcards.dataset),
        whole=lambda wildcards: remade_if_incomplete(pattern("hr").format(**wildcards)),
        script=script("prepare_images"),
        code=lambda wildcards: code("prepare_images", data_set_module(plan.config.datasets[wildcards.dataset].module)),
        lists=lambda wildcards: data_set_lists(plan.config.datasets[wildcards.dataset].module),
    output:
        manifest=pattern("hr"),
        record=pattern("hr_record"),
    log:
        "results/logs/prepare_images/{dataset}/{split}-x{scale}.log",
    conda:
        "../../environment.yml"
    threads: 8
    params:
        dataset=lambda wildcards: jobs.data_set(plan, wildcards.dataset),
        images=lambda wildcards: fingerprints.of(
            plan.own_images(wildcards.dataset, wildcards.split, int(wildcards.scale))
        ),
        folder="downloads/{dataset}",
        hr_dir=subpath(output.manifest, parent=True),
    message:
        STEP
    shell:
        "python {input.script} --dataset {params.dataset:q} --folder {params.folder} --split {wildcards.split}"
        " --multiple-of {wildcards.scale} --hr-dir {params.hr_dir} --jobs {threads} > {log} 2>&1"


rule degrade_images:
    input:
        manifest=pattern("hr"),
        whole=lambda wildcards: remade_if_incomplete(pattern("lr").format(**wildcards)),
        script=script("degrade_images"),
        code=code("degrade_images"),
    output:
        manifest=pattern("lr"),
        record=pattern("lr_record"),
    log:
        "results/logs/degrade_images/{dataset}/{split}-x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    threads: 8
    params:
        steps=lambda wildcards: jobs.degradation(plan, wildcards.degradation),
        dataset=lambda wildcards: jobs.data_set(plan, wildcards.dataset) if wildcards.degradation == GIVEN else "null",
        images=lambda wildcards: (
            fingerprints.of(plan.own_images(wildcards.dataset, wildcards.split, int(wildcards.scale)))
            if wildcards.degradation == GIVEN
            else ""
        ),
        hr_dir=subpath(input.manifest, parent=True),
        lr_dir=subpath(output.manifest, parent=True),
    message:
        STEP
    shell:
        "python {input.script} --hr-dir {params.hr_dir} --lr-dir {params.lr_dir} --steps {params.steps:q}"
        " --given {params.dataset:q} --degradation {wildcards.degradation} --scale {wildcards.scale}"
        " --jobs {threads} > {log} 2>&1"


rule data:
    input:
        targets.all_data(plan),
    message:
        STEP


rule data_status:
    input:
        script=script("data_status"),
    log:
        "results/logs/data_status.log",
    conda:
        "../../environment.yml"
    params:
        datasets=lambda wildcards: jobs.data_sets(plan),
    message:
        STEP
    shell:
        "python {input.script} --datasets {params.datasets:q} 2>&1 | tee {log}"
