"""Cost profiles, and the records of weights -> tables and figures of cost."""


rule render_complexity:
    input:
        profiles=lambda wildcards: profiles(plan.models_at(int(wildcards.scale))),
        script=script("render_complexity"),
        code=code("render_complexity"),
    output:
        report(
            patterns("complexity"),
            caption="../report/complexity.rst",
            category="Cost",
            labels={"scale": "x{scale}"},
        ),
    log:
        "results/logs/render_complexity/x{scale}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        reference=lambda wildcards: plan.reference_at(int(wildcards.scale)),
        notes=lambda wildcards: plan.notes_at(int(wildcards.scale)),
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --profiles {input.profiles}"
        " --reference {params.reference} --notes {params.notes:q} --out {params.out} > {log} 2>&1"


# Only the first two metrics: with all of them the table would be wider than a page.
rule render_ablation:
    input:
        profiles=lambda wildcards: profiles(plan.ablation(wildcards.model, int(wildcards.scale))),
        qualities=lambda wildcards: paths(test.artifact("quality") for test in plan.tests_at(int(wildcards.scale))),
        script=script("render_ablation"),
        code=code("render_ablation"),
    output:
        report(
            patterns("ablation"),
            caption="../report/ablation.rst",
            category="Cost",
            labels={"model": "{model}", "scale": "x{scale}"},
        ),
    log:
        "results/logs/render_ablation/x{scale}/{model}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.ablation(wildcards.model, int(wildcards.scale))),
        tests=lambda wildcards: jobs.test_sets(plan.tests_at(int(wildcards.scale))),
        metrics=list(plan.config.metrics)[:2],
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --full {wildcards.model} --profiles {input.profiles}"
        " --qualities {input.qualities} --test-sets {params.tests:q} --metrics {params.metrics}"
        " --out {params.out} > {log} 2>&1"


rule render_training:
    input:
        records=paths(artifact.beside(suffix="json") for artifact in plan.all_weights),
        script=script("render_training"),
        code=code("render_training"),
    output:
        report(
            patterns("training"),
            caption="../report/training.rst",
            category="Cost",
        ),
    log:
        "results/logs/render_training.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models),
        labels=lambda wildcards: jobs.data_set_labels(plan),
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --records {input.records}"
        " --data-sets {params.labels:q} --out {params.out} > {log} 2>&1"


rule render_mlstm_growth:
    input:
        measured=os.path.relpath(ROOT / "results/reference/mlstm_growth.csv"),
        script=script("render_mlstm_growth"),
        code=code("render_mlstm_growth"),
    output:
        report(
            patterns("mlstm_growth"),
            caption="../report/mlstm_growth.rst",
            category="Cost",
        ),
    log:
        "results/logs/render_mlstm_growth.log",
    conda:
        "../../environment.yml"
    params:
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --measured {input.measured} --out {params.out} > {log} 2>&1"
