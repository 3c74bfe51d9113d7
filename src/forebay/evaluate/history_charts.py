"""Charts of a training over its epochs: loss, accuracy, learning rate and time. Pure functions of `history.json`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from forebay.contracts.overfitting import Curves
from forebay.evaluate.charts import ChartLine, PlotArea, line_chart, padded_range

_LIMITS: dict[str, dict[str, float]] = {"accuracy": {"floor": 0, "ceiling": 1}}
_FROM_ZERO = ("learning rate", "seconds")  # a range of their own would show noise as mountains
Measure = Callable[[Mapping[str, Any]], float | None]


@dataclass(frozen=True)
class HistoryChart:
    """A chart before it is drawn."""

    area: PlotArea
    lines: list[ChartLine]
    title: str


def history_charts(history: Curves) -> list[Markup]:
    """The charts as SVG; none where nothing was recorded."""
    return [line_chart(chart.area, chart.lines, chart.title) for chart in plan_charts(history)]


def plan_charts(history: Curves) -> list[HistoryChart]:
    """What there is to draw: loss and accuracy, then learning rate and seconds per epoch where they were recorded."""
    found = [_quality_chart(history, what) for what in ("loss", "accuracy")]
    found.append(_chart("learning rate", _curves(history, _value("learning_rate"), "learning rate, last step", "s1")))
    found.append(_chart("seconds", _curves(history, _epoch_seconds(history), "seconds per epoch", "s1")))
    return [chart for chart in found if chart]


def training_time(history: Curves) -> dict[str, Any] | None:
    """Epochs, seconds of all of them and images per second; None where the times were not recorded.

    Of an epoch that a kill cut in two, the whole time is estimated from the speed of its second part.
    """
    whole = _epoch_seconds(history)
    seconds = [whole(record) for record in history]
    known = [each for each in seconds if each is not None]
    if not known or len(known) < len(history):
        return None
    images = _most_images(history) * len(history)
    return {"epochs": len(history), "seconds": sum(known), "images_per_s": images / max(sum(known), 1e-9)}


def _quality_chart(history: Curves, what: str) -> HistoryChart | None:
    lines = [
        line
        for split, style in (("train", "s1"), ("validation", "s2"))
        for line in _curves(history, _value(f"{split}_{what}"), split, style)
    ]
    if lowest := _lowest(history, f"validation_{what}"):
        lines.append(lowest)
    return _chart(what, lines)


def _chart(what: str, lines: list[ChartLine]) -> HistoryChart | None:
    if not lines:
        return None
    epochs = [float(x) for line in lines for x in line.x]
    values = [y for line in lines for y in line.y] + ([0.0] if what in _FROM_ZERO else [])
    area = PlotArea(
        x=(min(epochs), max(max(epochs), min(epochs) + 1)),
        y=padded_range(values, **_LIMITS.get(what, {"floor": 0})),
        x_label="epoch",
        y_label=what,
    )
    return HistoryChart(area, lines, f"{what} by epoch")


def _value(key: str) -> Measure:
    return lambda record: record.get(key)


def _epoch_seconds(history: Curves) -> Measure:
    """The seconds that a whole epoch takes: a process that went on in the middle of one records its own part."""
    most = _most_images(history)

    def seconds(record: Mapping[str, Any]) -> float | None:
        if not (record.get("images") and record.get("seconds")):
            return None
        return float(record["seconds"]) * most / float(record["images"])

    return seconds


def _most_images(history: Curves) -> float:
    return max((float(record.get("images") or 0) for record in history), default=0.0)


def _curves(history: Curves, measure: Measure, name: str, style: str) -> list[ChartLine]:
    """The curve, or those of the members of an ensemble, of which the first one carries the name."""
    by_member: dict[int, list[tuple[float, float]]] = {}
    for record in history:
        if (value := measure(record)) is not None:
            by_member.setdefault(record.get("member", 1), []).append((record["epoch"], value))
    return [
        ChartLine("" if number else name, [x for x, _ in points], [y for _, y in points], style)
        for number, points in enumerate(by_member.values())
    ]


def _lowest(history: Curves, key: str) -> ChartLine | None:
    """A dot on a curve of the validation rows, where their loss was lowest; None without such rows."""
    judged = [record for record in history if record.get("validation_loss") is not None and key in record]
    if not judged:
        return None
    best = min(judged, key=lambda record: float(record["validation_loss"]))
    return ChartLine(f"lowest loss, epoch {best['epoch']}", [best["epoch"]], [best[key]], "s2")
