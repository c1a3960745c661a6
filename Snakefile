"""LSTMConvSR-Bench: the DAG from images to tables and figures. Start with README.md."""

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/cost.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/provenance.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        wanted,
        "results/provenance.json",
        "results/report/index.html",
        "results/report/files",
    message:
        STEP


rule weights:
    input:
        targets.all_weights(plan),
    message:
        STEP
