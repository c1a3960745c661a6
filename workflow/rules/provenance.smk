"""The record of a run, and its copy for the repository."""


rule write_provenance:
    input:
        files=wanted,
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
        "python {input.script} --config {params.config:q} --files {input.files} --out {output} > {log} 2>&1"


# Not part of the default run: the copy of a run that the README shows and the repository keeps.
rule copy_reference:
    input:
        targets.published(dag),
    output:
        directory("results/reference/default"),
    log:
        "results/logs/copy_reference.log",
    conda:
        "../../environment.yml"
    shell:
        "(for file in {input}; do install -D -m 644 $file {output}/${{file#results/}}; done) > {log} 2>&1"
