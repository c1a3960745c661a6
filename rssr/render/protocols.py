"""Compares the results of an audit with the stated protocol, and with a literature value."""

import pandas as pd

from rssr.metrics.protocol import BASE


def one_choice_at_a_time(measured: pd.DataFrame) -> pd.DataFrame:
    """The stated protocol, and every combination that differs from it in one choice.

    Returns:
        `choice` and `option` ("stated protocol" and "" in the first row), `psnr`, `ssim`, and `psnr_moved` and
        `ssim_moved`, the difference from the stated protocol.
    """
    differing = sum((measured[choice] != option).astype(int) for choice, option in BASE.items())
    base = measured[differing == 0].iloc[0]
    rows = [{"choice": "stated protocol", "option": "", "psnr": base["psnr"], "ssim": base["ssim"]}]
    for _, row in measured[differing == 1].iterrows():
        choice = next(choice for choice, option in BASE.items() if row[choice] != option)
        rows.append({"choice": choice, "option": row[choice], "psnr": row["psnr"], "ssim": row["ssim"]})
    table = pd.DataFrame(rows)
    for metric in ("psnr", "ssim"):
        table[f"{metric}_moved"] = table[metric] - base[metric]
    return table


def nearest(measured: pd.DataFrame, psnr: float, ssim: float | None, count: int = 3) -> pd.DataFrame:
    """The combinations that come nearest to a literature value.

    Args:
        measured: of audit().
        psnr: the literature value in dB.
        ssim: the literature value, or None if none is stated. With both, the distance is Euclidean, in units of each
            metric's standard deviation over the combinations.
        count: number of combinations.
    """
    distance = ((measured["psnr"] - psnr) / measured["psnr"].std()) ** 2
    if ssim is not None:
        distance = distance + ((measured["ssim"] - ssim) / measured["ssim"].std()) ** 2
    return measured.loc[distance.nsmallest(count).index]
