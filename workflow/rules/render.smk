"""Scores and costs -> tables, figures, and the record of the run."""


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


rule write_provenance:
    input:
        files=targets,
        script=dag.script("write_provenance"),
        code=dag.code("write_provenance"),
    output:
        "results/provenance.json",
    log:
        "results/logs/write_provenance.log",
    conda:
        "../../environment.yml"
    params:
        config=lambda wildcards: dag.whole,  # it may have `{scale}` in it, which is no wildcard
    shell:
        "python {input.script} --config {params.config:q} --files {input.files}" " --out {output} > {log} 2>&1"


# Not part of the default run: the copy of a run that the README shows and the repository keeps.
rule copy_reference:
    input:
        dag.published(),
    output:
        directory("results/reference/default"),
    log:
        "results/logs/copy_reference.log",
    conda:
        "../../environment.yml"
    shell:
        "(for file in {input}; do install -D -m 644 $file {output}/${{file#results/}}; done) > {log} 2>&1"
