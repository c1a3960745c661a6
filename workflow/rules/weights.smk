"""Weights, trained here or loaded from a file or a URL, in one folder and one format."""


rule train_model:
    input:
        hr=lambda wildcards: plan.training_set(wildcards).hr.path,
        lr=lambda wildcards: plan.training_set(wildcards).lr.path,
        val=lambda wildcards: paths(plan.validation_images(wildcards)),
        script=script("train_model"),
        code=lambda wildcards: code("train_model", plan.model(wildcards).module, *validation_code(wildcards)),
    output:
        weights=pattern("weights"),
        record=pattern("weights", "json"),
        curve=pattern("training_curve"),
    log:
        "results/logs/train_model/{model}/{dataset}-x{scale}-{replicate}.log",
    wildcard_constraints:
        model="|".join(name for name, model in plan.config.models.items() if model.train) or "(?!)",
        replicate="|".join({name for model in plan.models for name in model.seed_of}) or "(?!)",
    conda:
        "../../environment.yml"
    threads: ALL_CORES
    resources:
        gpu=of_recipe("devices"),
        devices=of_recipe("devices"),
        checkpoint_every=of_recipe("checkpoint_every"),
        log_every=of_recipe("log_every"),
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=24 * 60,  # a longer training resumes in the next try
    params:
        model=lambda wildcards: jobs.network(plan.model(wildcards)),
        own=own_modules,
        recipe=lambda wildcards: jobs.recipe(plan.config, plan.model(wildcards)),
        seed=lambda wildcards: plan.model(wildcards).seed_of[wildcards.replicate],
        hr_dir=subpath(input.hr, parent=True),
        lr_dir=subpath(input.lr, parent=True),
    message:
        STEP
    shell:
        "python {input.script} --model {params.model:q} --recipe {params.recipe:q} --seed {params.seed}"
        " --checkpoint-every {resources.checkpoint_every} --log-every {resources.log_every}"
        " --hr-dir {params.hr_dir} --lr-dir {params.lr_dir} --val {input.val}"
        " --weights {output.weights} --threads {threads} --devices {resources.devices} --code {input.code} 2>&1 | tee {log}"


rule load_weights:
    input:
        file=lambda wildcards: paths(artifacts_at(plan.model(wildcards).files)),  # of this run; others are tracked below
        script=script("load_weights"),
        code=lambda wildcards: code("load_weights", plan.model(wildcards).module),
    output:
        weights=pattern("weights"),
        record=pattern("weights", "json"),
    log:
        "results/logs/load_weights/{model}/{dataset}-x{scale}-{replicate}.log",
    wildcard_constraints:
        model="|".join(name for name, model in plan.config.models.items() if model.weights or model.checkpoint)
        or "(?!)",
    conda:
        "../../environment.yml"
    params:
        model=lambda wildcards: jobs.network(plan.model(wildcards)),
        own=own_modules,
        # Not passed to the script, only tracked: a new checksum re-makes the weights.
        content=lambda wildcards: fingerprints.of(plan.model(wildcards).files),
        recorded=lambda wildcards: plan.model(wildcards).recorded,
    message:
        STEP
    shell:
        "python {input.script} --model {params.model:q} --downloads downloads/weights"
        " --weights {output.weights} > {log} 2>&1"
