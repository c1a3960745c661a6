"""One style for all figures, one colour and marker a method everywhere, PNG and PDF of the same drawing."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402, after the backend is chosen

from rssr.files import replacing  # noqa: E402

# Okabe and Ito's colours, safe for colour-blind readers; with the markers they stay apart in grey print.
_COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_MARKERS = "osD^vPX*"
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # TrueType, embedded: searchable and accepted by publishers
    "figure.constrained_layout.use": True,
}


def style_of(index: int) -> dict[str, str]:
    """Colour and marker of the method at a position of the configuration."""
    return {"color": _COLOURS[index % len(_COLOURS)], "marker": _MARKERS[index % len(_MARKERS)]}


def save(figure: plt.Figure, stem: Path) -> None:
    """Write stem.png and stem.pdf without dates, so that the same drawing has the same bytes."""
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
        with replacing(stem.with_suffix(suffix)) as path, mpl.rc_context(STYLE):
            figure.savefig(path, metadata=metadata)
    plt.close(figure)


def bare(axis: plt.Axes) -> None:
    """Leave nothing of an axis but what it shows, an image."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
