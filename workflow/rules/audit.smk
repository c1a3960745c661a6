"""The same weights under every combination of the measuring protocol -> how far the protocol alone moves the scores."""


rule audit_protocol:
    input:
        hr="results/data/{dataset}/test/manifest.csv",
        weights=lambda wildcards: dag.weights(wildcards.model, wildcards.dataset),
        script=dag.script("audit_protocol"),
        code=lambda wildcards: dag.code("audit_protocol", dag.arch_module(wildcards.model)),
    output:
        measured="results/audit/{dataset}/{model}.csv",
        facts="results/audit/{dataset}/{model}.json",
    log:
        "results/logs/audit_protocol/{dataset}_{model}.log",
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
    params:
        model=lambda wildcards: dag.model(wildcards.model, dag.scale_of(wildcards.dataset)),
        weights=lambda wildcards, input: (f"--weights {input.weights[0]}" if input.weights else ""),
        split_dir=subpath(input.hr, parent=True),
        scale=lambda wildcards: dag.scale_of(wildcards.dataset),
        images=dag.audited_images,
    shell:
        "python {input.script} --model {params.model:q} {params.weights} --split-dir {params.split_dir}"
        " --scale {params.scale} --images {params.images} --out {output.measured} --threads {threads} > {log} 2>&1"


rule render_audit:
    input:
        measured=expand("results/audit/{{dataset}}/{model}.csv", model=dag.audited_models),
        facts=expand("results/audit/{{dataset}}/{model}.json", model=dag.audited_models),
        published=dag.published_values,
        script=dag.script("render_audit"),
        code=dag.code("render_audit"),
    output:
        table=report(
            multiext("results/tables/audit_{dataset}", ".csv", ".md", ".tex"),
            caption="../report/audit.rst",
            category="Protocol",
            labels={"data set": "{dataset}"},
        ),
        figures=report(
            expand(
                "results/figures/audit_{{dataset}}_{model}.{suffix}",
                model=dag.audited_models,
                suffix=["png", "pdf"],
            ),
            caption="../report/audit.rst",
            category="Protocol",
            labels={"data set": "{dataset}"},
        ),
    log:
        "results/logs/render_audit/{dataset}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: dag.labels,
        protocol=lambda wildcards: dag.protocol(wildcards.dataset, dag.training_degradation),
        title=lambda wildcards: dag.title(wildcards.dataset, dag.training_degradation).partition(", LR")[0],
        stem="results/tables/audit_{dataset}",
        figures="results/figures/audit_{dataset}",
    shell:
        "python {input.script} --models {params.models:q} --measured {input.measured}"
        " --published {input.published} --protocol {params.protocol:q} --title {params.title:q}"
        " --table {params.stem} --figures {params.figures} > {log} 2>&1"
