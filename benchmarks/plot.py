"""The figures as one image: a row of bars per comparison."""

from pathlib import Path
from typing import Any

OURS, THEIRS = "#1f6f8b", "#b9c4c9"


def draw(result: dict[str, Any], path: Path) -> None:
    """Write a PNG with one panel per group; medians as bars, single rounds as dots."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    groups = result["groups"]
    heights = [len(group["results"]) + 1 for group in groups]
    figure, panels = plt.subplots(
        len(groups), 1, figsize=(9, 0.42 * sum(heights) + 1), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for panel, group in zip(panels[:, 0], groups, strict=True):
        _draw_group(panel, group)
    machine = result["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['cores']} cores ({', '.join(machine['flags'])})", fontsize=9)
    figure.savefig(path, dpi=140)
    plt.close(figure)


def _draw_group(panel: Any, group: dict[str, Any]) -> None:
    names = list(group["results"])
    medians = [group["results"][name]["median"] for name in names]
    panel.barh(names, medians, color=[OURS, *[THEIRS] * (len(names) - 1)], height=0.65)
    for place, name in enumerate(names):
        figures = group["results"][name]["figures"]
        panel.plot(figures, [place] * len(figures), "|", color="#12303b", markersize=9)
        panel.annotate(f" {medians[place]:,.4g}", (max(figures), place), va="center", fontsize=8)
    panel.invert_yaxis()
    panel.set_title(f"{group['group']}  [{group['unit']}, {group['better']} is better]", fontsize=9, loc="left")
    panel.tick_params(labelsize=8)
    panel.margins(x=0.15)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
