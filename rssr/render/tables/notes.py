"""Notes below tables that are about the rows, not about a number."""

from collections.abc import Mapping


def model_notes(models: Mapping[str, Mapping]) -> list[str]:
    """What is remarked of the models, a line each."""
    notes = [f"{model['label']}: {'; '.join(model['notes'])}" for model in models.values() if model["notes"]]
    return notes + boxes_in_figures({model["label"]: model["label"] for model in models.values()})


def boxes_in_figures(texts: Mapping[str, str]) -> list[str]:
    """What no font of this machine has of some texts, which are given with what they are called, a line each."""
    odd = {what: text for what, text in texts.items() if max(text, default="") > "\u024f"}
    if not odd:
        return []
    from rssr.render.figures.fonts import cover  # takes time, and Latin letters are in every font

    return [
        f"{what}: figures show boxes for {missing[:20]}, which no font of this machine has: install one that has them, "
        "such as Noto Sans CJK for Chinese, delete results/figures and results/tables, and run again"
        for what, text in odd.items()
        if (missing := cover(text)[1])
    ]
