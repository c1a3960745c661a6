"""Scores -> tables: CSV, Markdown, LaTeX and HTML."""


rule render_quality:
    input:
        scores=lambda wildcards: of_models("scores", plan.test_set(wildcards)),
        records=lambda wildcards: of_models("scores", plan.test_set(wildcards), "json"),
        loaded=lambda wildcards: targets.loaded_in_part(plan, plan.test_set(wildcards)),
        hr=lambda wildcards: plan.test_set(wildcards).artifact("hr").path,
        literature=LITERATURE,
        script=script("render_quality"),
        code=code("render_quality"),
    output:
        report(
            patterns("quality"),
            caption="../report/quality.rst",
            category="Quality",
            labels={"data set": "{dataset}", "conditions": "x{scale} {degradation}"},
        ),
    log:
        "results/logs/render_quality/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        test=lambda wildcards: jobs.test_sets([plan.test_set(wildcards)]),
        statistics=lambda wildcards: jobs.statistics(plan),
        notes=lambda wildcards: plan.notes_at(int(wildcards.scale)),
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --records {input.records}"
        " --hr-manifest {input.hr} --literature {input.literature} --test-set {params.test:q}"
        " --statistics {params.statistics:q} --loaded {input.loaded} --notes {params.notes:q} --out {params.out}"
        " > {log} 2>&1"


rule render_aggregation:
    input:
        scores=lambda wildcards: of_models("scores", plan.test_set(wildcards)),
        hr=lambda wildcards: plan.test_set(wildcards).artifact("hr").path,
        audits=lambda wildcards: paths(
            plan.audits(wildcards, "csv")
            if wildcards.degradation == plan.config.degradations_of(wildcards.dataset)[0]
            else []
        ),
        script=script("render_aggregation"),
        code=code("render_aggregation"),
    output:
        report(
            patterns("aggregation"),
            caption="../report/aggregation.rst",
            category="Protocol",
            labels={"data set": "{dataset}", "conditions": "x{scale} {degradation}"},
        ),
    log:
        "results/logs/render_aggregation/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        test=lambda wildcards: jobs.test_sets([plan.test_set(wildcards)]),
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --hr-manifest {input.hr}"
        " --audits {input.audits} --test-set {params.test:q} --out {params.out} > {log} 2>&1"


rule render_classes:
    input:
        scores=scores_with_classes,
        records=lambda wildcards: of_models("scores", plan.test_set(wildcards), "json"),
        script=script("render_classes"),
        code=code("render_classes"),
    output:
        report(
            patterns("classes"),
            caption="../report/classes.rst",
            category="Quality",
            labels={"data set": "{dataset}", "conditions": "x{scale} {degradation}"},
        ),
    log:
        "results/logs/render_classes/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        test=lambda wildcards: jobs.test_sets([plan.test_set(wildcards)]),
        statistics=lambda wildcards: jobs.statistics(plan),
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --records {input.records}"
        " --test-set {params.test:q} --statistics {params.statistics:q} --out {params.out} > {log} 2>&1"


rule render_side_by_side:
    input:
        qualities=[test.artifact("quality").path for test in plan.test_sets],
        records=[path for test in plan.test_sets for path in of_models("scores", test, "json")],
        script=script("render_side_by_side"),
        code=code("render_side_by_side"),
    output:
        report(
            patterns("side_by_side"),
            caption="../report/side_by_side.rst",
            category="Quality",
        ),
    log:
        "results/logs/render_side_by_side.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models),
        tests=lambda wildcards: jobs.test_sets(plan.test_sets),
        notes=[note for scale in plan.config.scales for note in plan.notes_at(scale)],
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --qualities {input.qualities} --records {input.records}"
        " --test-sets {params.tests:q} --notes {params.notes:q} --out {params.out} > {log} 2>&1"


rule render_significance:
    input:
        scores=lambda wildcards: of_models("scores", plan.test_set(wildcards)),
        records=lambda wildcards: of_models("scores", plan.test_set(wildcards), "json"),
        script=script("render_significance"),
        code=code("render_significance"),
    output:
        report(
            patterns("significance"),
            caption="../report/significance.rst",
            category="Quality",
            labels={"data set": "{dataset}", "conditions": "x{scale} {degradation}"},
        ),
    log:
        "results/logs/render_significance/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        test=lambda wildcards: jobs.test_sets([plan.test_set(wildcards)]),
        statistics=lambda wildcards: jobs.statistics(plan),
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --records {input.records}"
        " --test-set {params.test:q} --statistics {params.statistics:q} --out {params.out} > {log} 2>&1"


rule render_literature:
    input:
        qualities=[test.artifact("quality").path for test in plan.test_sets],
        literature=LITERATURE,
        script=script("render_literature"),
        code=code("render_literature"),
    output:
        report(
            patterns("literature"),
            caption="../report/literature.rst",
            category="Protocol",
        ),
    log:
        "results/logs/render_literature.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models),
        tests=lambda wildcards: jobs.test_sets(plan.test_sets),
        out=subpath(output[0], strip_suffix=".csv"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --qualities {input.qualities}"
        " --test-sets {params.tests:q} --literature {input.literature} --out {params.out} > {log} 2>&1"
