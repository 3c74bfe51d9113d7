"""The plot of a study: the loss of every trial in the order in which they ran, and how each got there."""

from collections.abc import Sequence
from pathlib import Path

from forebay.state import write_bytes
from forebay.tuning.study import COMPLETE, FAILED, PRUNED, TrialRecord

PLOT = "trials.png"
_BEST, _DEFAULT, _OTHER, _PRUNED = "#00796b", "#c62828", "#546e7a", "#b0bec5"


def write_plot(records: Sequence[TrialRecord], rows: int, folder: Path) -> Path:
    """Draw the trials without a window, and write the image into the folder.

    Args:
        records: in order; at least one is complete.
        rows: number of validation rows.
    """
    import io

    from matplotlib.figure import Figure

    complete = [record for record in records if record.state == COMPLETE and record.loss is not None]
    best = min(complete, key=lambda record: record.loss or 0.0)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.xaxis.get_major_locator().set_params(integer=True)
    right.set_yscale("log")  # the first epochs are far above the last ones
    _draw_losses(left, records, best)
    _draw_courses(right, records, best)
    figure.suptitle(f"{len(records)} trials, judged by {rows:,} validation rows; lower is better")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    write_bytes(folder / PLOT, image.getvalue())
    return folder / PLOT


def _draw_losses(axes: "object", records: Sequence[TrialRecord], best: TrialRecord) -> None:
    import matplotlib.axes

    assert isinstance(axes, matplotlib.axes.Axes)
    low: list[float] = []
    for record in records:
        value = _last_loss(record)
        if value is None or record.state == FAILED:
            continue
        is_pruned = record.state != COMPLETE
        axes.scatter(record.number, value, color=_color(record, best), marker="x" if is_pruned else "o", zorder=3)
        if not is_pruned:
            low.append(min([value, *low[-1:]]))
    numbers = [record.number for record in records if record.state == COMPLETE]
    axes.step(numbers, low, where="post", color=_BEST, label="best so far")
    axes.scatter([], [], color=_DEFAULT, label="the default settings")
    axes.scatter([], [], color=_PRUNED, marker="x", label="ended early")
    axes.set(xlabel="trial", ylabel="validation loss")
    axes.legend()


def _draw_courses(axes: "object", records: Sequence[TrialRecord], best: TrialRecord) -> None:
    import matplotlib.axes

    assert isinstance(axes, matplotlib.axes.Axes)
    for record in records:
        if record.losses:
            width = 2.5 if record in (best, records[0]) else 1.0
            axes.plot(list(record.losses), list(record.losses.values()), color=_color(record, best), linewidth=width)
    axes.set(xlabel="percent of the training", ylabel="validation loss")


def _last_loss(record: TrialRecord) -> float | None:
    if record.loss is not None:
        return record.loss
    return record.losses[max(record.losses)] if record.losses else None


def _color(record: TrialRecord, best: TrialRecord) -> str:
    if record.number == best.number:
        return _BEST
    if record.is_default:
        return _DEFAULT
    return _PRUNED if record.state == PRUNED else _OTHER
