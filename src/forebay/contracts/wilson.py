"""How certain a measured accuracy is."""

import math
from statistics import NormalDist


def wilson_interval(correct: float, rows: int, confidence: float) -> tuple[float, float]:
    """The score interval of a proportion.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927) 209-212.
    Unlike the normal approximation it stays inside 0..1 and keeps its coverage near 1, where accuracies lie.

    Args:
        correct: rows that are right.
        rows: at least 1.
        confidence: coverage, for example 0.95.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = correct / rows
    scale = 1 + z * z / rows
    centre = (share + z * z / (2 * rows)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, centre - half), min(1.0, centre + half)
