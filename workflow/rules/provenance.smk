"""The record of a run."""


rule write_provenance:
    input:
        files=wanted,
        script=script("write_provenance"),
        code=code("write_provenance"),
    output:
        "results/provenance.json",
    log:
        "results/logs/write_provenance.log",
    conda:
        "../../environment.yml"
    params:
        config=lambda wildcards: jobs.configuration(plan),  # it may have `{scale}` in it, which is no wildcard
        tests=lambda wildcards: jobs.test_sets(plan.test_sets),
    message:
        STEP
    shell:
        "python {input.script} --config {params.config:q} --test-sets {params.tests:q} --files {input.files}"
        " --out {output} > {log} 2>&1"
