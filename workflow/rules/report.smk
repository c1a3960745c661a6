"""A finished run -> a page that opens from disk; the copy of a run that the repository keeps."""

import atexit

# Command-line options that, in the checkout, select this run's folder and configuration; empty by default.
_files = [os.path.relpath(path, ROOT) for path in configuration_files]
_settings = workflow.config_settings.config_args or []
CONFIGURED = [
    *([] if Path().samefile(ROOT) else ["--directory", os.path.relpath(".", ROOT)]),
    *(["--configfile", *_files] if _files != ["config/config.yaml"] else []),
    *(["--config", *_settings] if _settings else []),
]


rule render_report:
    input:
        files=wanted,
        record="results/provenance.json",
        captions=sorted(os.path.relpath(path) for path in (ROOT / "workflow/report").glob("*.rst")),
        page=page_files(),
        script=script("render_report"),
        code=code("render_report"),
    output:
        page="results/report/index.html",
        files=directory("results/report/files"),
    log:
        "results/logs/render_report.log",
    conda:
        "../../environment.yml"
    params:
        tests=lambda wildcards: jobs.test_sets(plan.test_sets),
        options=lambda wildcards: jobs.options(CONFIGURED),
        captions=lambda wildcards, input: os.path.dirname(input.captions[0]),
        out=subpath(output.page, parent=True),
    message:
        STEP
    shell:
        "python {input.script} --record {input.record} --test-sets {params.tests:q} --captions {params.captions}"
        " --options {params.options:q} --out {params.out} > {log} 2>&1"


# The last line of a run with the report among its files, below the last words of Snakemake.
onsuccess:
    if REAL_RUN and any(job.rule.name == "render_report" for job in workflow.dag.jobs):
        page = Path(rules.render_report.output.page)
        atexit.register(print, "open", page if Path().samefile(ROOT) else page.resolve(), file=sys.stderr)


# Not part of the default run: `snakemake --cores all results/reference/default`.
rule copy_reference:
    input:
        files=targets.redistributable(plan),
        whole=rules.render_report.input,
        script=script("copy_reference"),
        code=code("copy_reference"),
    output:
        directory("results/reference/{run}"),
    log:
        "results/logs/copy_reference/{run}.log",
    wildcard_constraints:
        run=r"\w+",
    conda:
        "../../environment.yml"
    params:
        tests=lambda wildcards: jobs.test_sets(plan.test_sets),
        options=lambda wildcards: jobs.options(CONFIGURED),
        captions=lambda wildcards: os.path.dirname(rules.render_report.input.captions[0]),
    message:
        STEP
    shell:
        "python {input.script} --files {input.files} --record results/provenance.json --test-sets {params.tests:q}"
        " --captions {params.captions} --options {params.options:q} --out {output} > {log} 2>&1"
