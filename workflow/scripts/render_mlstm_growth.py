"""Draw time and memory of the mLSTM cell against the number of tokens."""

from pathlib import Path

from rssr.base.process import run
from rssr.render import options
from rssr.render.figures.cost import mlstm_growth
from rssr.render.figures.style import save
from rssr.render.scores import read_measured


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--out")
    parser.add_argument("--measured", type=Path, required=True, help="CSV of benchmarks/mlstm.py")
    arguments = parser.parse_args()
    save(mlstm_growth(read_measured(arguments.measured)), arguments.out)


run(main)
