"""One style for all figures, one colour and marker per method everywhere, PNG and PDF of the same drawing."""

import math
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402, after the backend is chosen
from matplotlib.axis import Axis  # noqa: E402
from matplotlib.font_manager import FontProperties  # noqa: E402
from matplotlib.textpath import TextToPath  # noqa: E402
from matplotlib.ticker import FixedLocator, NullLocator  # noqa: E402

from rssr.base.files import replacing  # noqa: E402
from rssr.render.figures import fonts  # noqa: E402

WIDTH = 7.2  # inches: both columns of a page, so that what is 7 pt here is 7 pt in print
HEIGHT = 9.6  # inches: the most that a page has room for
SMALL = 7  # points: the least that is read in print
_SIDE = 60_000  # pixels that a side of a PNG may have; the renderer ends at 65535
# Okabe and Ito's colours, safe for colour-blind readers, without black, which is HR's, and yellow, which is too light.
# With the markers and lines, which are others in number, they stay apart in grey print and come again late.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "osD^vP*"
_LINES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1.5, 1)))
HR_STYLE = {"color": "black", "linewidth": 2.2}
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "lines.linewidth": 1.2,
    "lines.markersize": 5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # TrueType, embedded: searchable and accepted by publishers
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # a dollar in a label is a dollar
}


def style_of(index: int) -> dict[str, Any]:
    """Colour, marker and line of the method at a position of the configuration."""
    looks = {"color": _COLOURS, "marker": _MARKERS, "linestyle": _LINES}
    return {name: values[index % len(values)] for name, values in looks.items()}


def wrapped(text: str, width: float, size: float = SMALL) -> str:
    """A text in as few lines as `width` inches allow at a size in points; a word that is longer is broken."""

    def fits(line: str) -> bool:
        return TextToPath().get_text_width_height_descent(line, FontProperties(size=size), False)[0] <= 72 * width

    longest = len(text)
    while longest > 1 and not all(map(fits, textwrap.wrap(text, longest))):
        longest -= 1
    return textwrap.fill(text, longest) if text else ""


def legend_above(figure: plt.Figure, axis: plt.Axes) -> None:
    """Put the legend of an axis above all axes, in as few rows as fit, and make the figure higher by their height."""
    handles, labels = axis.get_legend_handles_labels()
    labels = [wrapped(label, WIDTH / 3.6) for label in labels]
    for columns in range(min(6, len(labels)), 0, -1):
        legend = figure.legend(handles, labels, loc="outside upper center", ncols=columns, handlelength=3)
        box = legend.get_window_extent(figure.canvas.get_renderer())
        if columns == 1 or box.width <= 0.97 * figure.bbox.width:
            break
        legend.remove()
    figure.set_figheight(figure.get_figheight() + box.height / figure.dpi)


def say_below(figure: plt.Figure, text: str) -> None:
    """Put a remark below all axes, such as what is not drawn; nothing for an empty text."""
    if text:
        figure.supxlabel(wrapped(text, 0.95 * figure.get_figwidth()), fontsize=SMALL)


def logarithmic(axis: Axis, values: Iterable[float]) -> float | None:
    """Make an axis logarithmic over the values that it shows, with few ticks, in plain numbers.

    Args:
        axis: of x or y.
        values: not negative; what is not a number is not shown.

    Returns:
        The position at which to draw 0, which a logarithmic axis lacks: before a dotted line. None if no value is 0.
    """
    values = [value for value in values if math.isfinite(value)]
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    margin = max((high / low) ** 0.1, (4 * low / high) ** 0.5)  # a tenth of the range; the axis spans a factor of 4
    ticks = log_ticks(low / margin, high * margin)
    zero = low / margin**3 if 0 in values else None
    name = axis.axis_name
    axis.axes.set(**{f"{name}scale": "log", f"{name}lim": ((zero or low) / margin, high * margin)})
    axis.set_major_locator(FixedLocator(ticks if zero is None else [zero, *ticks]))
    axis.set_major_formatter(lambda value, _: "0" if value == zero else _plain(value))
    axis.set_minor_locator(NullLocator())
    if zero is not None:
        divide = axis.axes.axvline if name == "x" else axis.axes.axhline
        divide(low / margin**1.75, color="0.5", linestyle=":", linewidth=0.8)
    return zero


def _plain(value: float) -> str:
    """A round number as a person would write it: 0.002, 5000, 10⁷."""
    mantissa, exponent = f"{value:.0e}".split("e")
    if -4 <= int(exponent) <= 4:
        return f"{value:.10g}"
    power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if mantissa == "1" else f"{mantissa}·{power}"


def log_ticks(low: float, high: float) -> list[float]:
    """Two to five round numbers between two positive ones, the higher at least four times the lower."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ("1 2 5", "1", "1 2 3 5"):
        ticks = [float(f"{step}e{exponent}") for exponent in exponents for step in steps.split()]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if 2 <= len(ticks) <= 5:
            return ticks
    powers = [float(f"1e{exponent}") for exponent in exponents]
    return [tick for tick in powers if low <= tick <= high][:: -(-len(powers) // 5)]


def save(figure: plt.Figure, stem: Path) -> None:
    """Write stem.png and stem.pdf without dates, so that the same drawing has the same bytes."""
    style = STYLE | {
        "figure.constrained_layout.use": False
    }  # savefig() would give it to a figure that was made without
    fonts.use(figure)
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
        with replacing(stem.with_suffix(suffix)) as path, mpl.rc_context(style):
            figure.savefig(
                path, metadata=metadata, dpi=min(style["savefig.dpi"], _SIDE / max(figure.get_size_inches()))
            )
    plt.close(figure)


def bare(axis: plt.Axes) -> None:
    """Remove ticks and frame from an axis that shows an image."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
