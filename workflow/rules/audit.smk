"""How much scores depend on the measuring protocol: the same weights under every combination of its settings."""


rule audit_protocol:
    input:
        hr=lambda wildcards: plan.test_set(wildcards).artifact("hr").path,
        weights=lambda wildcards: paths(plan.model(wildcards).weights(wildcards.dataset)[:1]),
        shards=lambda wildcards: shards_of("audit", wildcards, plan.config.audit.images),
        script=script("audit_protocol"),
        code=lambda wildcards: code("audit_protocol", plan.model(wildcards).module),
    output:
        measured=pattern("audit"),
        record=pattern("audit", "json"),
    log:
        "results/logs/audit_protocol/{dataset}/x{scale}/{model}.log",
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=lambda wildcards, input: gpus(wildcards, input),
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=120,
    params:
        model=lambda wildcards: jobs.model(plan.model(wildcards)),
        own=own_modules,
        weights=weights_option,
        hr_dir=subpath(input.hr, parent=True),
        images=plan.config.audit.images if plan.config.audit else 0,
        range=lambda wildcards, input: merge_option(wildcards, input),
    message:
        STEP
    shell:
        "python {input.script} --model {params.model:q} {params.weights} {params.range} --hr-dir {params.hr_dir}"
        " --scale {wildcards.scale} --images {params.images} --out {output.measured} --threads {threads} > {log} 2>&1"


rule render_audit:
    input:
        measured=lambda wildcards: paths(plan.audits(wildcards, "csv")),
        records=lambda wildcards: paths(plan.audits(wildcards, "json")),
        hr=lambda wildcards: plan.test_set(wildcards).artifact("hr").path,
        literature=LITERATURE,
        script=script("render_audit"),
        code=code("render_audit"),
    output:
        report(
            patterns("audit_table"),
            caption="../report/audit_table.rst",
            category="Protocol",
            labels={"data set": "{dataset}", "scale": "x{scale}"},
        ),
    log:
        "results/logs/render_audit/{dataset}/x{scale}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        test=lambda wildcards: jobs.test_sets([plan.test_set(wildcards)]),
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --measured {input.measured} --records {input.records}"
        " --hr-manifest {input.hr} --literature {input.literature} --test-set {params.test:q} --out {params.out}"
        " > {log} 2>&1"


rule render_audit_map:
    input:
        measured=pattern("audit"),
        record=pattern("audit", "json"),
        script=script("render_audit_map"),
        code=code("render_audit_map"),
    output:
        report(
            patterns("audit_map"),
            caption="../report/audit_map.rst",
            category="Protocol",
            labels={"data set": "{dataset}", "model": "{model}"},
        ),
    log:
        "results/logs/render_audit_map/{dataset}/x{scale}/{model}.log",
    conda:
        "../../environment.yml"
    params:
        label=lambda wildcards: plan.model(wildcards).label,
        test=lambda wildcards: jobs.test_sets([plan.test_set(wildcards)]),
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --label {params.label:q} --measured {input.measured} --record {input.record}"
        " --test-set {params.test:q} --out {params.out} > {log} 2>&1"
