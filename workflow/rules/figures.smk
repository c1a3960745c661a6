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
        scores=expand(
            "results/scores/{{dataset}}/{{degradation}}/{model}.csv",
            model=dag.config.models,
        ),
        srs=expand(
            "results/sr/{{dataset}}/{{degradation}}/{model}/manifest.csv",
            model=dag.config.models,
        ),
        hr="results/data/{dataset}/test/manifest.csv",
        lr=lambda wildcards: dag.lr(wildcards.dataset, wildcards.degradation),
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
        split_dir=subpath(input.hr, parent=True),
        lr_dir=subpath(input.lr, parent=True),
        metric=next(iter(dag.config.metrics)),
        images=dag.config.figures.images,
        side=dag.config.figures.side,
        crops=lambda wildcards: dag.crops(wildcards.dataset),
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --sr-dirs {params.sr_dirs}"
        " --split-dir {params.split_dir} --lr-dir {params.lr_dir} --metric {params.metric}"
        " --images {params.images} --side {params.side} --crops {params.crops:q} --out {params.out} > {log} 2>&1"


rule render_distributions:
    input:
        scores=expand(
            "results/scores/{{dataset}}/{{degradation}}/{model}.csv",
            model=dag.config.models,
        ),
        script=dag.script("render_distributions"),
        code=dag.code("render_distributions"),
    output:
        report(
            multiext("results/figures/distributions_{dataset}_{degradation}", ".png", ".pdf"),
            caption="../report/distributions.rst",
            category="Quality",
            labels={"data set": "{dataset}", "degradation": "{degradation}"},
        ),
    log:
        "results/logs/render_distributions/{dataset}_{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        reference=dag.reference,
        metric=next(iter(dag.config.metrics)),
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --reference {params.reference}"
        " --metric {params.metric} --out {params.out} > {log} 2>&1"


rule render_win_rate:
    input:
        scores=expand(
            "results/scores/{{dataset}}/{{degradation}}/{model}.csv",
            model=dag.config.models,
        ),
        script=dag.script("render_win_rate"),
        code=dag.code("render_win_rate"),
    output:
        report(
            multiext("results/figures/win_rate_{dataset}_{degradation}", ".png", ".pdf"),
            caption="../report/win_rate.rst",
            category="Quality",
            labels={"data set": "{dataset}", "degradation": "{degradation}"},
        ),
    log:
        "results/logs/render_win_rate/{dataset}_{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        metric=next(iter(dag.config.metrics)),
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --metric {params.metric}"
        " --out {params.out} > {log} 2>&1"


rule measure_spectrum:
    input:
        sr="results/sr/{dataset}/{degradation}/{model}/manifest.csv",
        hr="results/data/{dataset}/test/manifest.csv",
        script=dag.script("measure_spectrum"),
        code=dag.code("measure_spectrum"),
    output:
        "results/spectra/{dataset}/{degradation}/{model}.csv",
    log:
        "results/logs/measure_spectrum/{dataset}_{degradation}_{model}.log",
    conda:
        "../../environment.yml"
    params:
        sr_dir=subpath(input.sr, parent=True),
        hr_dir="results/data/{dataset}/test/HR",
    shell:
        "python {input.script} --sr-dir {params.sr_dir} --hr-dir {params.hr_dir} --out {output} > {log} 2>&1"


rule render_spectra:
    input:
        spectra=expand(
            "results/spectra/{{dataset}}/{{degradation}}/{model}.csv",
            model=dag.config.models,
        ),
        script=dag.script("render_spectra"),
        code=dag.code("render_spectra"),
    output:
        report(
            multiext("results/figures/spectra_{dataset}_{degradation}", ".png", ".pdf"),
            caption="../report/spectra.rst",
            category="Quality",
            labels={"data set": "{dataset}", "degradation": "{degradation}"},
        ),
    log:
        "results/logs/render_spectra/{dataset}_{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        scale=lambda wildcards: dag.scale_of(wildcards.dataset),
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --models {params.models:q} --spectra {input.spectra} --scale {params.scale}"
        " --out {params.out} > {log} 2>&1"


rule render_training_curves:
    input:
        curves=lambda wildcards: dag.curves(wildcards.dataset),
        script=dag.script("render_training_curves"),
        code=dag.code("render_training_curves"),
    output:
        report(
            multiext("results/figures/training_curves_{dataset}", ".png", ".pdf"),
            caption="../report/training_curves.rst",
            category="Training",
            labels={"data set": "{dataset}"},
        ),
    log:
        "results/logs/render_training_curves/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        out=subpath(output[0], strip_suffix=".png"),
    shell:
        "python {input.script} --models {params.models:q} --curves {input.curves} --out {params.out} > {log} 2>&1"


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
