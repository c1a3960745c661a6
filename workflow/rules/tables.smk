"""Scores, costs and records of training -> tables: CSV, Markdown and LaTeX of the same numbers."""


rule render_quality:
    input:
        scores=expand(
            "results/scores/{{dataset}}/{{degradation}}/{model}.csv",
            model=dag.config.models,
        ),
        facts=expand(
            "results/scores/{{dataset}}/{{degradation}}/{model}.json",
            model=dag.config.models,
        ),
        published=dag.published_values,
        script=dag.script("render_quality"),
        code=dag.code("render_quality"),
    output:
        report(
            multiext("results/tables/quality_{dataset}_{degradation}", ".csv", ".md", ".tex"),
            caption="../report/quality.rst",
            category="Quality",
            labels={"data set": "{dataset}", "degradation": "{degradation}"},
        ),
    log:
        "results/logs/render_quality/{dataset}_{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        title=lambda wildcards: dag.title(wildcards.dataset, wildcards.degradation),
        statistics=dag.statistics,
        protocol=lambda wildcards: dag.protocol(wildcards.dataset, wildcards.degradation),
        out=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores}"
        " --published {input.published} --protocol {params.protocol:q}"
        " --title {params.title:q} --statistics {params.statistics:q} --out {params.out} > {log} 2>&1"


rule render_classes:
    input:
        scores=expand(
            "results/scores/{{dataset}}/{{degradation}}/{model}.csv",
            model=dag.config.models,
        ),
        facts=expand(
            "results/scores/{{dataset}}/{{degradation}}/{model}.json",
            model=dag.config.models,
        ),
        script=dag.script("render_classes"),
        code=dag.code("render_classes"),
    output:
        report(
            multiext("results/tables/classes_{dataset}_{degradation}", ".csv", ".md", ".tex"),
            caption="../report/classes.rst",
            category="Quality",
            labels={"data set": "{dataset}", "degradation": "{degradation}"},
        ),
    log:
        "results/logs/render_classes/{dataset}_{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        title=lambda wildcards: dag.title(wildcards.dataset, wildcards.degradation),
        pattern=lambda wildcards: dag.classes(wildcards.dataset),
        statistics=dag.statistics,
        out=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --pattern {params.pattern:q}"
        " --title {params.title:q} --statistics {params.statistics:q} --out {params.out} > {log} 2>&1"


rule render_side_by_side:
    input:
        qualities=dag.quality_tables(),
        script=dag.script("render_side_by_side"),
        code=dag.code("render_side_by_side"),
    output:
        report(
            multiext("results/tables/quality", ".csv", ".md", ".tex"),
            caption="../report/side_by_side.rst",
            category="Quality",
        ),
    log:
        "results/logs/render_side_by_side.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        sets=lambda wildcards: dag.compared_sets(),
        out=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python {input.script} --models {params.models:q} --qualities {input.qualities}"
        " --sets {params.sets:q} --out {params.out} > {log} 2>&1"


rule render_significance:
    input:
        scores=expand(
            "results/scores/{{dataset}}/{{degradation}}/{model}.csv",
            model=dag.config.models,
        ),
        script=dag.script("render_significance"),
        code=dag.code("render_significance"),
    output:
        report(
            multiext("results/tables/significance_{dataset}_{degradation}", ".csv", ".md", ".tex"),
            caption="../report/significance.rst",
            category="Quality",
            labels={"data set": "{dataset}", "degradation": "{degradation}"},
        ),
    log:
        "results/logs/render_significance/{dataset}_{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        title=lambda wildcards: dag.title(wildcards.dataset, wildcards.degradation),
        statistics=dag.statistics,
        reference=dag.reference,
        out=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --reference {params.reference}"
        " --title {params.title:q} --statistics {params.statistics:q} --out {params.out} > {log} 2>&1"


rule render_complexity:
    input:
        profiles=lambda wildcards: dag.profiles(dag.scale_at(wildcards.at)),
        script=dag.script("render_complexity"),
        code=dag.code("render_complexity"),
    output:
        report(
            multiext("results/tables/complexity{at}", ".csv", ".md", ".tex"),
            caption="../report/complexity.rst",
            category="Cost",
        ),
    log:
        "results/logs/render_complexity{at}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        reference=dag.reference,
        out=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python {input.script} --models {params.models:q} --profiles {input.profiles}"
        " --reference {params.reference} --out {params.out} > {log} 2>&1"


# The first two metrics only: with all of them it would be wider than a page.
rule render_ablation:
    input:
        profiles=lambda wildcards: dag.profiles(*dag.ablation(wildcards.measured)),
        qualities=lambda wildcards: dag.quality_tables(dag.measured[wildcards.measured][1]),
        script=dag.script("render_ablation"),
        code=dag.code("render_ablation"),
    output:
        report(
            multiext("results/tables/ablation_{measured}", ".csv", ".md", ".tex"),
            caption="../report/ablation.rst",
            category="Cost",
            labels={"model": "{measured}"},
        ),
    log:
        "results/logs/render_ablation/{measured}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        shown=lambda wildcards: dag.ablation(wildcards.measured)[1],
        sets=lambda wildcards: dag.compared_sets(dag.measured[wildcards.measured][1]),
        metrics=list(dag.config.metrics)[:2],
        out=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python {input.script} --models {params.models:q} --shown {params.shown} --profiles {input.profiles}"
        " --qualities {input.qualities} --sets {params.sets:q} --metrics {params.metrics}"
        " --out {params.out} > {log} 2>&1"


rule render_training:
    input:
        records=dag.weights_records(),
        script=dag.script("render_training"),
        code=dag.code("render_training"),
    output:
        report(
            multiext("results/tables/training", ".csv", ".md", ".tex"),
            caption="../report/training.rst",
            category="Cost",
        ),
    log:
        "results/logs/render_training.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        sets=lambda wildcards: dag.set_names,
        out=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python {input.script} --models {params.models:q} --records {input.records}"
        " --set-names {params.sets:q} --out {params.out} > {log} 2>&1"


rule render_published:
    input:
        qualities=dag.quality_tables(),
        published=dag.published_values,
        script=dag.script("render_published"),
        code=dag.code("render_published"),
    output:
        report(
            multiext("results/tables/published", ".csv", ".md", ".tex"),
            caption="../report/published.rst",
            category="Protocol",
        ),
    log:
        "results/logs/render_published.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        sets=lambda wildcards: dag.compared_sets(),
        out=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python {input.script} --models {params.models:q} --qualities {input.qualities}"
        " --sets {params.sets:q} --published {input.published} --out {params.out} > {log} 2>&1"
