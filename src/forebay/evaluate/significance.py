"""The paired test that both comparisons of the gate rest on."""

import math


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


def fewest_significant_rows(significance: float) -> int:
    """How many rows a model must win, without a loss, to be significantly better."""
    rows = 1
    while mcnemar_p(rows, 0) >= significance:
        rows += 1
    return rows
