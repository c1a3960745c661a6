"""Scores, costs and images -> figures: PNG and PDF of the same drawing."""


rule render_quality_cost:
    input:
        quality="results/tables/quality_{dataset}_{degradation}.csv",
        profiles=lambda wildcards: dag.profiles(dag.scale_of(wildcards.dataset)),
        script=dag.script("render_quality_cost"),
        code=dag.code("render_quality_cost"),
    output:
        report(
            multiext("results/figures/quality_cost_{dataset}_{degradation}", ".png", ".pdf"),
            caption="../report/quality_cost.rst",
            category="Cost",
            labels={"data set": "{dataset}", "degradation": "{degradation}"},
        ),
    log:
        "results/logs/render_quality_cost/{dataset}_{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        metric=next(iter(dag.config.metrics)),
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --models {params.models:q} --quality {input.quality}"
        " --profiles {input.profiles} --metric {params.metric} --out {params.out} > {log} 2>&1"


rule render_qualitative:
    input:
        srs=expand(
            "results/sr/{{dataset}}/{{degradation}}/{model}/manifest.csv",
            model=dag.config.models,
        ),
        hr="results/data/{dataset}/test/manifest.csv",
        script=dag.script("render_qualitative"),
        code=dag.code("render_qualitative"),
    output:
        report(
            multiext("results/figures/qualitative_{dataset}_{degradation}", ".png", ".pdf"),
            caption="../report/qualitative.rst",
            category="Quality",
            labels={"data set": "{dataset}", "degradation": "{degradation}"},
        ),
    log:
        "results/logs/render_qualitative/{dataset}_{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        sr_dirs=expand("results/sr/{{dataset}}/{{degradation}}/{model}", model=dag.config.models),
        hr_dir="results/data/{dataset}/test/HR",
        label=lambda wildcards: dag.title(wildcards.dataset, wildcards.degradation).partition(", LR")[0],
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --models {params.models:q} --sr-dirs {params.sr_dirs}"
        " --hr-dir {params.hr_dir} --label {params.label:q} --out {params.out} > {log} 2>&1"


rule render_mlstm_growth:
    input:
        measured="results/reference/mlstm_growth.csv",
        script=dag.script("render_mlstm_growth"),
        code=dag.code("render_mlstm_growth"),
    output:
        report(
            multiext("results/figures/mlstm_growth", ".png", ".pdf"),
            caption="../report/mlstm_growth.rst",
            category="Cost",
        ),
    log:
        "results/logs/render_mlstm_growth.log",
    conda:
        "../../environment.yml"
    params:
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --measured {input.measured} --out {params.out} > {log} 2>&1"
