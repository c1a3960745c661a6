"""Scores and costs -> tables: CSV, Markdown and LaTeX of the same numbers."""


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
        out=subpath(output[0], strip_suffix=".csv"),
    shell:
        "python {input.script} --models {params.models:q} --profiles {input.profiles}"
        " --out {params.out} > {log} 2>&1"
