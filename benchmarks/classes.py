"""Mean scores of each class of a data set whose image names begin with it, such as RSSCN7's aGrass_a001.

PYTHONPATH=. python benchmarks/classes.py results/scores/rsscn7_700/bicubic [--out classes.csv]
"""

import argparse
from pathlib import Path

import pandas as pd

from rssr.files import write_csv


def main() -> None:
    """Read the CSV files of all models, print and write a row a model and class, and one for all classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", type=Path, help="folder of CSV files, one a model")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for path in sorted(arguments.scores.glob("*.csv")):
        scores = pd.read_csv(path)
        groups = {"all": scores} | dict(iter(scores.groupby(scores["image"].str.split("_").str[0])))
        for name, group in groups.items():
            means = group.drop(columns="image").mean().to_dict()
            rows.append({"model": path.stem, "class": name, "images": len(group)} | means)
    print(pd.DataFrame(rows).to_markdown(index=False, floatfmt=".4f"))
    if arguments.out:
        write_csv(arguments.out, rows)


if __name__ == "__main__":
    main()
