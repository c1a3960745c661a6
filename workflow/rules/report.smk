"""A finished run -> a page that opens from disk."""

import json
import os

# What a command has to say besides its target to mean this run's configuration; nothing for the default.
_files = [os.path.relpath(path) for path in workflow.configfiles]
_settings = workflow.config_settings.config_args or []
CONFIGURED = [
    *(["--configfile", *_files] if _files != ["config/config.yaml"] else []),
    *(["--config", *_settings] if _settings else []),
]


rule render_report:
    input:
        files=wanted,
        record="results/provenance.json",
        captions=sorted(Path("workflow/report").glob("*.rst")),
        page=dag.page_files,
        script=dag.script("render_report"),
        code=dag.code("render_report"),
    output:
        page="results/report/index.html",
        files=directory("results/report/files"),
    log:
        "results/logs/render_report.log",
    conda:
        "../../environment.yml"
    params:
        sets=lambda wildcards: dag.tested,
        options=json.dumps(CONFIGURED),
        out=subpath(output.page, parent=True),
    shell:
        "python {input.script} --record {input.record} --sets {params.sets:q} --captions {input.captions}"
        " --options {params.options:q} --out {params.out} > {log} 2>&1"
