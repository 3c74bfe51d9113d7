"""Curves and confusion matrix as PNG files, for pages that show images and no HTML, such as MLflow's.

They are drawn with Pillow, which every container image of the steps has. Class names in scripts that its font does not
know are empty boxes here; the report has them.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.overfitting import Curves
from forebay.evaluate.charts import BOTTOM, LEFT, RIGHT, ChartLine, PlotArea, tick_text, ticks
from forebay.evaluate.history_charts import HistoryChart, plan_charts
from forebay.evaluate.report_images import confusion_heat_map
from forebay.text import one_line

if TYPE_CHECKING:
    from PIL import Image

SCALE = 4  # pixels per unit while drawing; half of them are left, which smooths the lines
COLUMNS = 2
CELL = 44  # side of a cell of the matrix, in units
TABLE_CLASSES = 24  # with more classes, the matrix has no numbers
HEAT_PIXELS = 800
NAME_CHARACTERS = 14

WHITE, TEXT, SOFT, GRID = (255, 255, 255), (22, 32, 44), (91, 102, 117), (226, 230, 235)
STYLES = {"s1": (37, 99, 235), "s2": (234, 88, 12)}


def curves_png(history: Curves) -> bytes | None:
    """The training curves as one image; None where nothing was recorded."""
    charts = plan_charts(history)
    if not charts:
        return None
    width, height = charts[0].area.width, charts[0].area.height
    canvas = _Canvas(min(len(charts), COLUMNS) * width, -(-len(charts) // COLUMNS) * height)
    for number, chart in enumerate(charts):
        _draw_chart(canvas, chart, (number % COLUMNS * width, number // COLUMNS * height))
    return canvas.png()


def confusion_png(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> bytes:
    """The confusion matrix, K x K with the true classes as rows: numbers for up to 24 classes, else colours alone."""
    matrix = np.asarray(confusion)
    return _matrix_table(matrix, classes) if len(classes) <= TABLE_CLASSES else _heat_map(matrix)


class _Canvas:
    """An image to draw on in units of the charts, white at first."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        self.image: Image.Image = Image.new("RGB", (width * SCALE, height * SCALE), WHITE)
        self.draw: ImageDraw.ImageDraw = ImageDraw.Draw(self.image)

    def line(self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], width: float = 1) -> None:
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self.draw.line(scaled, colour, round(width * SCALE), joint="curve")

    def dot(self, point: tuple[float, float], colour: tuple[int, int, int]) -> None:
        self.draw.circle((point[0] * SCALE, point[1] * SCALE), 4 * SCALE, colour)

    def box(self, x: float, y: float, side: float, colour: tuple[int, int, int]) -> None:
        corners = [x * SCALE, y * SCALE, (x + side) * SCALE, (y + side) * SCALE]
        self.draw.rounded_rectangle(corners, 5 * SCALE, colour)

    def text(
        self, x: float, y: float, text: str, colour: tuple[int, int, int] = SOFT, anchor: str = "mm", size: int = 11
    ) -> None:
        from PIL import ImageFont

        font = ImageFont.load_default(size * SCALE)
        self.draw.text((x * SCALE, y * SCALE), one_line(text), colour, font, anchor)

    def png(self) -> bytes:
        return _png(self.image.reduce(2))


def _draw_chart(canvas: _Canvas, chart: HistoryChart, corner: tuple[int, int]) -> None:
    area, (left, top) = chart.area, corner
    _draw_grid(canvas, area, left, top)
    x = left + LEFT
    for line in chart.lines:
        colour = STYLES[line.style]
        _draw_line(canvas, line, area, corner)
        if line.name:
            canvas.line([(x, top + 13), (x + 18, top + 13)], colour, 2)
            canvas.text(x + 24, top + 13, line.name, TEXT, "lm")
            x += 24 + round(6.6 * len(line.name)) + 22


def _draw_grid(canvas: _Canvas, area: PlotArea, left: int, top: int) -> None:
    bottom, right = top + area.height - BOTTOM, left + area.width - RIGHT
    for value in ticks(*area.y):
        y = top + area.py(value)
        canvas.line([(left + LEFT, y), (right, y)], GRID)
        canvas.text(left + LEFT - 7, y, tick_text(value), anchor="rm")
    for value in ticks(*area.x, wanted=6):
        canvas.text(left + area.px(value), bottom + 12, f"{value:g}")
    canvas.line([(left + LEFT, bottom), (right, bottom)], SOFT)
    middle = (left + LEFT + right) / 2
    canvas.text(middle, top + area.height - 9, f"{area.y_label} by {area.x_label}")


def _draw_line(canvas: _Canvas, line: ChartLine, area: PlotArea, corner: tuple[int, int]) -> None:
    points = [(corner[0] + area.px(x), corner[1] + area.py(y)) for x, y in zip(line.x, line.y, strict=True)]
    if len(points) == 1:
        canvas.dot(points[0], STYLES[line.style])
    else:
        canvas.line(points, STYLES[line.style], 2)


def _matrix_table(matrix: NDArray[np.int64], classes: Sequence[str]) -> bytes:
    names = [_short(name) for name in classes]
    top = 36 + 6 * max(map(len, names))  # units above the matrix
    left = max(top, 76)  # and left of it: the names, and the words "true class" above them
    side = CELL * len(classes)
    canvas = _Canvas(left + side + 12, top + side + 12)
    canvas.text(left + side / 2, 10, "answer")
    canvas.text(left - 8, top - 12, "true class", anchor="rm")
    colours = _on_white(confusion_heat_map(matrix))
    for row, name in enumerate(names):
        across, down = left + row * CELL, top + row * CELL
        canvas.text(left - 8, down + CELL / 2, name, TEXT, "rm")
        _upright_text(canvas, across + CELL / 2, top - 6, name)
        for column, rows in enumerate(matrix[row].tolist()):
            colour = tuple(colours[row, column].tolist())
            x, y = left + column * CELL, down
            canvas.box(x + 1, y + 1, CELL - 2, colour)
            is_dark = sum(colour) < 480
            canvas.text(x + CELL / 2, y + CELL / 2, f"{rows}", WHITE if is_dark else TEXT if rows else GRID, size=12)
    return canvas.png()


def _upright_text(canvas: _Canvas, x: float, bottom: float, text: str) -> None:
    """Text that runs upwards and ends above `bottom`."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(11 * SCALE)
    width, height = round(font.getlength(text)) + 1, 14 * SCALE
    label = Image.new("RGB", (max(width, 1), height), WHITE)
    ImageDraw.Draw(label).text((0, height // 2), text, TEXT, font, "lm")
    turned = label.rotate(90, expand=True)
    canvas.image.paste(turned, (round(x * SCALE - height / 2), round(bottom * SCALE - turned.height)))


def _heat_map(matrix: NDArray[np.int64]) -> bytes:
    from PIL import Image

    factor = max(1, HEAT_PIXELS // len(matrix))
    return _png(Image.fromarray(_on_white(confusion_heat_map(matrix)).repeat(factor, 0).repeat(factor, 1)))


def _on_white(pixels_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA over white, as RGB."""
    opacity = pixels_HWC[..., 3:].astype(np.float64) / 255
    return np.rint(pixels_HWC[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)


def _short(name: str) -> str:
    name = one_line(name)
    return name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"


def _png(image: "Image.Image") -> bytes:
    """With few colours a file has a third of the size."""
    from PIL import Image

    buffer = io.BytesIO()
    image.quantize(64, method=Image.Quantize.FASTOCTREE).save(buffer, "PNG")
    return buffer.getvalue()
