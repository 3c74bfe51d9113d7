"""The paired test that the comparisons of two models rest on, and the interval of their difference."""

import math
from statistics import NormalDist


def mcnemar_p(losses: int, wins: int) -> float:
    """One-sided exact McNemar test: the chance of at least `losses` among the rows on which just one model is right.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12 (1947)
    153-157; exact form: binomial with probability 1/2. Summed in whole numbers, so it is rounded once.
    """
    rows = losses + wins
    chance, tail = math.comb(rows, losses), 0
    for count in range(losses, rows + 1):
        tail += chance
        chance = chance * (rows - count) // (count + 1)
    return tail / (1 << rows)


def paired_difference_interval(wins: int, losses: int, rows: int, confidence: float) -> tuple[float, float]:
    """The interval of the difference of two accuracies on the same rows.

    A. Agresti and Y. Min, "Simple improved confidence intervals for comparing matched proportions", Statistics in
    Medicine 24 (2005) 729-740: the normal approximation with half a row added to each of the four kinds of rows.

    Args:
        wins, losses: rows that only the one model, or only the other one, gets right.
        rows: all of them, at least 1.
        confidence: coverage, for example 0.95.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    won, lost, all_rows = wins + 0.5, losses + 0.5, rows + 2
    difference = (won - lost) / all_rows
    half = z * math.sqrt((won + lost) - (won - lost) ** 2 / all_rows) / all_rows
    return max(-1.0, difference - half), min(1.0, difference + half)


def fewest_significant_rows(significance: float) -> int:
    """How many rows a model must win, without a loss, to be significantly better."""
    rows = 1
    while mcnemar_p(rows, 0) >= significance:
        rows += 1
    return rows
