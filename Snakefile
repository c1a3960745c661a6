"""LSTMConvSR-Bench: the DAG from images to tables and figures. Start with README.md."""

from snakemake.utils import min_version

min_version("9.0")


if not workflow.configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/render.smk"
include: "workflow/rules/audit.smk"


rule all:
    default_target: True
    input:
        targets,
        "results/provenance.json",


rule weights:
    input:
        dag.weights_of(dag.used_sets()),
