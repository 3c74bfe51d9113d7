"""Charts as SVG text: small pure functions. Colours are the page's CSS classes, so charts follow its theme."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from forebay.evaluate.metrics import CalibrationBin

LEFT, RIGHT, TOP, BOTTOM = 60, 14, 30, 38  # margins around the plot, in SVG units


@dataclass(frozen=True)
class ChartLine:
    """One line of a chart, as points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: str = "s1"  # s1, s2 or guide: a CSS class of the page


@dataclass(frozen=True, kw_only=True)
class PlotArea:
    """A plot area and its scales."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    width: int = 460
    height: int = 300

    def px(self, x: float) -> float:
        """Horizontal position of a value."""
        low, high = self.x
        return LEFT + (x - low) / (high - low) * (self.width - LEFT - RIGHT)

    def py(self, y: float) -> float:
        """Vertical position of a value; SVG counts downward."""
        low, high = self.y
        return self.height - BOTTOM - (y - low) / (high - low) * (self.height - TOP - BOTTOM)


def line_chart(area: PlotArea, lines: Sequence[ChartLine], title: str) -> Markup:
    """Draw lines over a grid, with a legend above; a line of one point is drawn as a dot."""
    shapes = [_line(area, line) for line in lines]
    legend = _legend([line for line in lines if line.name and line.style != "guide"])
    return _svg(area, [*_grid(area), *shapes, legend], title)


def reliability_chart(bins: Sequence[CalibrationBin], title: str) -> Markup:
    """Draw the accuracy of each confidence bin beside the diagonal of a perfectly calibrated model."""
    area = PlotArea(x=(0, 1), y=(0, 1), x_label="confidence", y_label="accuracy")
    bars = [_bin(area, each) for each in bins]
    diagonal = _line(area, ChartLine("perfect", (0, 1), (0, 1), "guide"))
    return _svg(area, [*_grid(area), *bars, diagonal], title)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers inside a range, about as many as wanted: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def tick_text(value: float) -> str:
    """A tick's number in at most some six characters, as the margin is for: `0.0015`, `1.5e-4`."""
    text = f"{value:g}"
    return text if len(text) <= 6 else f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-")


def padded_range(
    values: Sequence[float], *, floor: float | None = None, ceiling: float | None = None
) -> tuple[float, float]:
    """A range that holds the values with a margin, inside the given limits; never empty."""
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or max(abs(high) * 0.06, 0.01)
    low = low - margin if floor is None else max(low - margin, floor)
    high = high + margin if ceiling is None else min(high + margin, ceiling)
    return low, high


def _svg(area: PlotArea, parts: Sequence[str], title: str) -> Markup:
    name = escape(title)
    return Markup(  # noqa: S704 - every text inside went through escape
        f'<svg viewBox="0 0 {area.width} {area.height}" role="img" aria-label="{name}"><title>{name}</title>'
        f"{''.join(parts)}</svg>"
    )


def _grid(area: PlotArea) -> list[str]:
    bottom, right = area.height - BOTTOM, area.width - RIGHT
    parts = []
    for value in ticks(*area.y):
        y = area.py(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 3.5:.1f}" text-anchor="end">{tick_text(value)}</text>')
    for value in ticks(*area.x, wanted=6):
        parts.append(
            f'<text class="tick" x="{area.px(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
        )
    middle_x, middle_y = (LEFT + right) / 2, (TOP + bottom) / 2
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<text class="label" x="{middle_x}" y="{area.height - 4}" text-anchor="middle">{area.x_label}</text>')
    turned = f'transform="translate(11 {middle_y}) rotate(-90)" text-anchor="middle"'
    parts.append(f'<text class="label" {turned}>{area.y_label}</text>')
    return parts


def _line(area: PlotArea, line: ChartLine) -> str:
    points = [(area.px(x), area.py(y)) for x, y in zip(line.x, line.y, strict=True)]
    if len(points) == 1:
        return f'<circle class="{line.style} dot" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="4"/>'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{line.style}" points="{path}"/>'


def _legend(lines: Sequence[ChartLine]) -> str:
    parts, x = [], float(LEFT)
    for line in lines:
        parts.append(f'<line class="{line.style}" x1="{x}" x2="{x + 18}" y1="13" y2="13"/>')
        parts.append(f'<text class="legend" x="{x + 24}" y="17">{escape(line.name)}</text>')
        x += 24 + 6.6 * len(line.name) + 22
    return "".join(parts)


def _bin(area: PlotArea, calibration: CalibrationBin) -> str:
    left, right, top = area.px(calibration.low), area.px(calibration.high), area.py(calibration.accuracy)
    tip = f"confidence {calibration.confidence:.3f}, accuracy {calibration.accuracy:.3f}, {calibration.rows} rows"
    count = f'<text class="count" x="{(left + right) / 2:.1f}" y="{max(top - 5, 12):.1f}">{calibration.rows}</text>'
    return (
        f'<g><title>{tip}</title><rect class="bar" x="{left + 2:.1f}" y="{top:.1f}" width="{right - left - 4:.1f}" '
        f'height="{area.py(0) - top:.1f}" rx="2"/>{count}</g>'
    )
