"""Scores, costs and images -> figures: PNG and PDF of the same drawing."""


rule render_quality_cost:
    input:
        quality=pattern("quality"),
        profiles=lambda wildcards: profiles(plan.models_at(int(wildcards.scale))),
        script=script("render_quality_cost"),
        code=code("render_quality_cost"),
    output:
        report(
            patterns("quality_cost"),
            caption="../report/quality_cost.rst",
            category="Cost",
            labels={"data set": "{dataset}", "conditions": "x{scale} {degradation}"},
        ),
    log:
        "results/logs/render_quality_cost/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        metric=next(iter(plan.config.metrics)),
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --quality {input.quality}"
        " --profiles {input.profiles} --metric {params.metric} --out {params.out} > {log} 2>&1"


rule render_qualitative:
    input:
        scores=lambda wildcards: of_models("scores", plan.test_set(wildcards)),
        srs=lambda wildcards: of_models("sr", plan.test_set(wildcards)),
        hr=lambda wildcards: plan.test_set(wildcards).artifact("hr").path,
        lr=lambda wildcards: plan.test_set(wildcards).artifact("lr").path,
        script=script("render_qualitative"),
        code=code("render_qualitative"),
    output:
        report(
            patterns("qualitative"),
            caption="../report/qualitative.rst",
            category="Quality",
            labels={"data set": "{dataset}", "conditions": "x{scale} {degradation}"},
        ),
    log:
        "results/logs/render_qualitative/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        metric=next(iter(plan.config.metrics)),
        images=plan.config.figures.images,
        side=plan.config.figures.side,
        crops=lambda wildcards: jobs.crops(plan, wildcards.dataset),
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --srs {input.srs}"
        " --hr {input.hr} --lr {input.lr} --metric {params.metric}"
        " --images {params.images} --side {params.side} --crops {params.crops:q} --out {params.out} > {log} 2>&1"


rule render_distributions:
    input:
        scores=lambda wildcards: of_models("scores", plan.test_set(wildcards)),
        script=script("render_distributions"),
        code=code("render_distributions"),
    output:
        report(
            patterns("distributions"),
            caption="../report/distributions.rst",
            category="Quality",
            labels={"data set": "{dataset}", "conditions": "x{scale} {degradation}"},
        ),
    log:
        "results/logs/render_distributions/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        reference=lambda wildcards: plan.reference_at(int(wildcards.scale)),
        metric=next(iter(plan.config.metrics)),
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --reference {params.reference}"
        " --metric {params.metric} --out {params.out} > {log} 2>&1"


rule render_win_rate:
    input:
        scores=lambda wildcards: of_models("scores", plan.test_set(wildcards)),
        script=script("render_win_rate"),
        code=code("render_win_rate"),
    output:
        report(
            patterns("win_rate"),
            caption="../report/win_rate.rst",
            category="Quality",
            labels={"data set": "{dataset}", "conditions": "x{scale} {degradation}"},
        ),
    log:
        "results/logs/render_win_rate/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        metric=next(iter(plan.config.metrics)),
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --scores {input.scores} --metric {params.metric}"
        " --out {params.out} > {log} 2>&1"


rule measure_spectrum:
    input:
        sr=pattern("sr"),
        hr=lambda wildcards: plan.test_set(wildcards).artifact("hr").path,
        script=script("measure_spectrum"),
        code=code("measure_spectrum"),
    output:
        pattern("spectrum"),
    log:
        "results/logs/measure_spectrum/{dataset}/x{scale}-{degradation}/{model}.log",
    conda:
        "../../environment.yml"
    params:
        sr_dir=subpath(input.sr, parent=True),
        hr_dir=subpath(input.hr, parent=True),
    message:
        STEP
    shell:
        "python {input.script} --sr-dir {params.sr_dir} --hr-dir {params.hr_dir} --out {output} > {log} 2>&1"


rule render_spectra:
    input:
        spectra=lambda wildcards: of_models("spectrum", plan.test_set(wildcards)),
        script=script("render_spectra"),
        code=code("render_spectra"),
    output:
        report(
            patterns("spectra"),
            caption="../report/spectra.rst",
            category="Quality",
            labels={"data set": "{dataset}", "conditions": "x{scale} {degradation}"},
        ),
    log:
        "results/logs/render_spectra/{dataset}/x{scale}-{degradation}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --spectra {input.spectra} --scale {wildcards.scale}"
        " --out {params.out} > {log} 2>&1"


rule render_training_curves:
    input:
        curves=training_curves,
        script=script("render_training_curves"),
        code=code("render_training_curves"),
    output:
        report(
            patterns("training_curves"),
            caption="../report/training_curves.rst",
            category="Training",
            labels={"data set": "{dataset}", "scale": "x{scale}"},
        ),
    log:
        "results/logs/render_training_curves/{dataset}/x{scale}.log",
    conda:
        "../../environment.yml"
    params:
        models=lambda wildcards: jobs.rows(plan.models_at(int(wildcards.scale))),
        out=subpath(output[0], strip_suffix=".png"),
    message:
        STEP
    shell:
        "python {input.script} --models {params.models:q} --curves {input.curves} --out {params.out} > {log} 2>&1"
