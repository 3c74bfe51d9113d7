"""The report: one file that needs nothing else, whatever the classes are called and however many there are."""

import base64
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from forebay.backend.summary import summarize
from forebay.contracts.evaluation import CONFUSION_IMAGE, CURVES_IMAGE, PREDICTIONS, EvaluationResult
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.rows import pixel_digest
from forebay.contracts.shards import open_split
from forebay.evaluate import evaluate
from forebay.evaluate.chart_images import confusion_png
from forebay.evaluate.charts import ChartLine, PlotArea, line_chart, padded_range, tick_text, ticks
from forebay.evaluate.examples import Answers
from forebay.evaluate.history_charts import history_charts, training_time
from forebay.evaluate.report_images import thumbnail_data_uri
from forebay.preprocess import preprocess
from forebay.settings import EvaluateConfig, PreprocessConfig
from forebay.state import StepLog, seal
from forebay.state.events import read_events
from support.row_tables import write_table
from support.tiny_models import fit_mlp
from support.watched_training import warnings

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
VOID = {"meta", "img", "br", "line", "link", "input", "hr", "wbr"}


class Page(HTMLParser):
    """What a browser would see: elements, addresses and text; fails on unbalanced elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.addresses: list[str] = []  # of what a browser loads with the page
        self.links: list[str] = []  # which it follows when somebody clicks
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == [], "unbalanced elements"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "srcset", "action", "data")]
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert not [name for name, _ in attrs if name.startswith("on")], "an event handler"
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def report_of(
    classes: list[str], tmp_path: Path, log: StepLog, rows: int = 400, name: str = "shapes",
    sources: list[str] | None = None,
) -> EvaluationResult:  # fmt: skip
    """Evaluate a model that learned nothing on random images of these classes."""
    images = np.random.default_rng(0).integers(0, 256, (rows, 6, 6, 3), np.uint8)
    write_table(
        tmp_path / "table", images, [row % len(classes) for row in range(rows)], classes, name=name, sources=sources
    )
    preprocess(tmp_path / "table", tmp_path / "shards", PreprocessConfig(holdout=0.3), log)
    fit_mlp(tmp_path / "shards", tmp_path / "bundle", steps=1)
    settings = EvaluateConfig(min_accuracy=0.0)
    return evaluate(tmp_path / "shards", tmp_path / "bundle", tmp_path / "evaluation", settings, log)


def section_html(html: str, name: str) -> str:
    """The elements of a section of the page."""
    found = re.search(rf'<section class="[^"]*" id="{name}">.*?</section>', html, re.DOTALL)
    assert found is not None
    return found[0]


def section(html: str, name: str) -> Page:
    return Page(section_html(html, name))


@pytest.fixture(scope="module")
def digits_report(
    digits_shards: Path, digits_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> EvaluationResult:
    from forebay.state import Home

    root = tmp_path_factory.mktemp("report")
    log = StepLog(name="evaluate", run_id="run-7", home=Home(root / "home").open(), events=root / "events.jsonl")
    return evaluate(digits_shards, digits_bundle, root / "evaluation", EvaluateConfig(), log)


def test_it_asks_nothing_of_the_network_and_runs_no_script(digits_report: EvaluationResult) -> None:
    html = digits_report.report.read_text()
    page = Page(html)
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert "script" not in page.elements
    assert not re.search(r"@import|url\(|<link|<base", html)
    assert page.links == []  # no MLflow database, no folder, a bundle of other code: nothing to link to
    assert not re.search(r"https?://", html)


def test_it_says_decision_accuracy_and_where_everything_came_from(digits_report: EvaluationResult) -> None:
    text = Page(digits_report.report.read_text()).text
    assert "✓ Passed" in text
    assert f"{digits_report.accuracy['value'] * 100:.2f} %" in text
    assert f"{digits_report.accuracy['low'] * 100:.2f} % to {digits_report.accuracy['high'] * 100:.2f} %" in text
    for fact in (
        digits_report.data["digest"], digits_report.data["source"], digits_report.model["weights_sha256"],
        "0.1.0+test", "run-7", "1,797", "max class drop",
    ):  # fmt: skip
        assert fact in text


def test_every_mistake_is_there_as_its_own_image(digits_report: EvaluationResult) -> None:
    html = digits_report.report.read_text()
    wrong = digits_report.accuracy["rows"] - round(digits_report.metrics["accuracy"] * digits_report.accuracy["rows"])
    mistakes, right = (section(html, name) for name in ("mistakes", "right"))
    assert len(mistakes.addresses) == min(wrong, 24) > 0
    assert len(right.addresses) == 32
    for address in mistakes.addresses + right.addresses:
        with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
            assert image.size == (8, 8)


def test_examples_have_the_names_of_their_files(digits_report: EvaluationResult, digits_shards: Path) -> None:
    table = pq.read_table(digits_report.folder / PREDICTIONS).to_pylist()
    wrong = {row["source"] for row in table if row["label"] != row["predicted"]}
    html = digits_report.report.read_text()
    named = re.findall(r'class="file" title="([^"]+)"', str(section_html(html, "mistakes")))
    assert set(named) == wrong
    named = re.findall(r'class="file" title="([^"]+)"', str(section_html(html, "right")))
    hardly, surest = named[:16], named[16:]
    probability = {row["source"]: max(row["probabilities"]) for row in table if row["label"] == row["predicted"]}
    assert hardly == sorted(probability, key=lambda name: probability[name])[:16]
    labels = {row["source"]: row["label_name"] for row in table}
    assert {labels[name] for name in surest} == set(digits_report.classes), "the surest of every class"
    assert min(probability[name] for name in surest) > max(probability[name] for name in hardly)


def test_predictions_name_file_and_classes(digits_report: EvaluationResult) -> None:
    table = pq.read_table(digits_report.folder / PREDICTIONS)
    for number, name in (("label", "label_name"), ("predicted", "predicted_name")):
        assert table[name].to_pylist() == [digits_report.classes[label] for label in table[number].to_pylist()]
    digests = dict(zip(table["source"].to_pylist(), table["sha256"].to_pylist(), strict=True))
    data = load_digits()
    for source, digest in list(digests.items())[:20]:
        image = np.rint(data.images[int(source.removesuffix(".png"))] * (255 / 16)).astype(np.uint8)
        assert pixel_digest(image.tobytes(), 8, 8, 1).hex() == digest


def test_few_right_answers_are_shown_once(digits_shards: Path) -> None:
    test = open_split(digits_shards, SplitManifest.read(digits_shards), "test")
    wrong, right = np.eye(10)[(test.labels + 1) % 10], np.eye(10)[test.labels]
    for count, halves in ((0, (0, 0)), (1, (1, 0)), (7, (4, 3)), (40, (16, 16))):
        answers = Answers(test, np.where(np.arange(len(test))[:, None] < count, right, wrong), list("0123456789"))
        shown = answers.least_certain(), answers.surest()
        assert tuple(map(len, shown)) == halves
        assert len({example.title for part in shown for example in part}) == sum(halves)


def test_file_names_are_text_whatever_they_hold(tmp_path: Path, steplog: StepLog) -> None:
    names = ["<script>x</script>.png", 'a" onload="y.png', "line\nbreak.png", "a\u202egnp.exe", "long/" * 300 + "x.png"]
    found = report_of(["a", "b"], tmp_path, steplog, sources=[names[row % 5] for row in range(400)])
    html = found.report.read_text()
    page = Page(html)
    assert "script" not in page.elements
    assert "\u202e" not in html
    assert "a\\u202egnp.exe" in page.text
    assert "line\\nbreak.png" in page.text
    assert max(map(len, re.findall(r'class="file" title="([^"]*)"', html))) <= 300
    assert found.report.stat().st_size < 250_000


def test_images_of_the_page_take_little_space_whatever_their_size() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 400, 3), np.uint8)
    for pixels, kind in ((noise, "jpeg"), (noise[..., :1], "jpeg"), (noise[:32, :32], "png")):
        head, _, data = thumbnail_data_uri(pixels).partition(",")
        assert head == f"data:image/{kind};base64"
        assert len(data) < 45_000
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert max(image.size) == min(max(pixels.shape[:2]), 192)


def test_curves_and_matrix_are_images_beside_the_report(digits_report: EvaluationResult) -> None:
    for name, size in ((CURVES_IMAGE, (1840, 600)), (CONFUSION_IMAGE, (1056, 988))):
        path = digits_report.folder / name
        assert path.stat().st_size < 100_000
        with Image.open(path) as image:
            assert image.size == size
            pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
        blue = (pixels[:, 2] > 200) & (pixels[:, 0] < 100)
        assert 500 < blue.sum() < 0.3 * len(pixels)


@pytest.mark.parametrize(("classes", "side"), [(1, 352), (5, 704), (25, 800), (500, 500)])
def test_the_image_of_the_matrix_fits_any_number_of_classes(classes: int, side: int) -> None:
    matrix = np.eye(classes, dtype=int) * 5
    with Image.open(io.BytesIO(confusion_png(matrix.tolist(), ["\u732b\n" * 30] * classes))) as image:
        assert image.size[0] == image.size[1] == side


def test_class_names_are_text_whatever_they_hold(tmp_path: Path, steplog: StepLog) -> None:
    evil = ["<script>alert(1)</script>", "\"><img src=x onerror='x'>", "{{ 7 * 7 }}&amp;", "a" * 300]
    html = report_of(evil, tmp_path, steplog).report.read_text()
    page = Page(html)
    assert "script" not in page.elements
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}&amp;" in page.text
    assert all(address.startswith("data:") for address in page.addresses)


@pytest.mark.parametrize("count", [2, 24, 25, 200])
def test_any_number_of_classes_gives_a_page_of_sensible_size(count: int, tmp_path: Path, steplog: StepLog) -> None:
    classes = [f"c{number:04d}" for number in range(count)]
    found = report_of(classes, tmp_path, steplog, rows=max(400, count * 12))
    page = Page(found.report.read_text())
    assert found.report.stat().st_size < 400_000
    assert ("Confusion matrix of" in found.report.read_text()) is (count > 24)
    listed = sum(f"c{number:04d}" in page.text for number in range(count))
    assert listed >= min(count, 50)


def test_held_out_rows_of_one_class_only_still_have_a_page(tmp_path: Path, steplog: StepLog) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 6, 6, 1), np.uint8)
    splits = ["test" if row < 20 and row % 2 else "train" for row in range(60)]
    write_table(tmp_path / "table", images, [row % 2 for row in range(60)], ["a", "b"], splits=splits)
    preprocess(tmp_path / "table", tmp_path / "shards", PreprocessConfig(), steplog)
    fit_mlp(tmp_path / "shards", tmp_path / "bundle", steps=1)
    settings = EvaluateConfig(min_accuracy=0.0)
    found = evaluate(tmp_path / "shards", tmp_path / "bundle", tmp_path / "evaluation", settings, steplog)
    assert "roc_auc_macro" not in found.metrics
    assert "micro, AUC" in Page(found.report.read_text()).text


def test_a_model_without_mistakes_or_history_still_has_a_page(tmp_path: Path, steplog: StepLog) -> None:
    images = np.zeros((200, 4, 4, 1), np.uint8)
    images[::2] = 255
    images[:, 0, 0, 0] = np.arange(200)
    write_table(tmp_path / "table", images, [row % 2 for row in range(200)], ["light", "dark"])
    preprocess(tmp_path / "table", tmp_path / "shards", PreprocessConfig(), steplog)
    fit_mlp(tmp_path / "shards", tmp_path / "bundle", steps=30)
    (tmp_path / "bundle" / "history.json").unlink()
    seal(tmp_path / "bundle")
    found = evaluate(tmp_path / "shards", tmp_path / "bundle", tmp_path / "evaluation", EvaluateConfig(), steplog)
    page = Page(found.report.read_text())
    assert found.accuracy["value"] == 1.0
    assert "every held-out image was answered right" in page.text
    assert "polyline" in page.elements  # ROC and the diagonals; no training curves
    assert "by epoch" not in page.text


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine to look at the report with")
@pytest.mark.parametrize("width", [1200, 420])
def test_a_real_browser_draws_it(digits_report: EvaluationResult, tmp_path: Path, width: int) -> None:
    assert BROWSER is not None
    screenshot = tmp_path / "page.png"
    subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={screenshot}",
         f"--window-size={width},3000", f"--user-data-dir={tmp_path / 'profile'}", digits_report.report.as_uri()],
        check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    with Image.open(screenshot) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    blue = (colours == (37, 99, 235)).all(axis=1)
    green = (colours == (21, 128, 61)).all(axis=1)
    assert counts[blue].sum() > 1000, "curves and heat map"
    assert counts[green].sum() > 20, "the passed badge"
    assert counts.max() < 0.8 * len(pixels), "the page is not empty"


def test_a_model_that_learned_noise_by_heart_is_told_by_its_held_out_rows(tmp_path: Path, steplog: StepLog) -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, 6, 6, 3), np.uint8)
    write_table(tmp_path / "table", images, [row % 3 for row in range(300)], ["a", "b", "c"])
    preprocess(tmp_path / "table", tmp_path / "shards", PreprocessConfig(holdout=0.3), steplog)
    fit_mlp(tmp_path / "shards", tmp_path / "bundle", steps=150)
    found = evaluate(
        tmp_path / "shards", tmp_path / "bundle", tmp_path / "evaluation", EvaluateConfig(min_accuracy=0.0), steplog
    )
    assert found.train_accuracy == 1.0
    assert found.overfitting is not None
    assert f"held-out accuracy {found.accuracy['value']:.1%} (" in found.overfitting
    assert found.overfitting in warnings(steplog)
    assert steplog.events is not None
    assert summarize("r", read_events(steplog.events)[0])["overfitting"] == found.overfitting
    text = Page(found.report.read_text()).text
    assert f"a gap of {(1 - found.accuracy['value']) * 100:.1f} points" in text
    assert found.overfitting in text
    assert EvaluationResult.read(found.folder).overfitting == found.overfitting


def test_a_good_model_has_its_gap_in_the_report_and_no_warning(digits_report: EvaluationResult) -> None:
    assert digits_report.overfitting is None
    assert "on the training images" in Page(digits_report.report.read_text()).text


def test_the_lowest_validation_loss_is_a_dot_with_its_epoch() -> None:
    records = [
        {"epoch": epoch, "train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": loss, "validation_accuracy": 0.5}
        for epoch, loss in enumerate((0.9, 0.7, 0.8), 1)
    ]
    for chart in history_charts(records):
        assert "lowest loss, epoch 2" in chart
        assert chart.count("<circle") == 1


def test_curves_skip_what_was_not_recorded() -> None:
    record = {"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.5, "validation_loss": None}
    charts = history_charts([record])
    assert len(charts) == 2
    assert "circle" in charts[0]  # one epoch is a dot
    assert "validation" not in charts[0]
    assert history_charts([]) == []


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.2, "0.2"), (0.0015, "0.0015"), (0.00015, "1.5e-4"), (5e-05, "5e-05"), (60, "60")]
)
def test_numbers_of_ticks_fit_their_margin(value: float, text: str) -> None:
    assert tick_text(value) == text


def test_learning_rate_and_time_have_their_curves_and_a_killed_epoch_its_whole_time() -> None:
    records = [
        {"epoch": epoch, "train_loss": 1.0, "train_accuracy": 0.5, "learning_rate": 0.1 / epoch,
         "images": images, "seconds": images / 100}
        for epoch, images in enumerate((1000, 250, 1000), 1)
    ]  # fmt: skip
    assert [re.findall("<title>([^<]+)", chart)[0] for chart in history_charts(records)] == [
        "loss by epoch", "accuracy by epoch", "learning rate by epoch", "seconds by epoch",
    ]  # fmt: skip
    assert training_time(records) == {"epochs": 3, "seconds": pytest.approx(30), "images_per_s": pytest.approx(100)}
    assert training_time([{"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5}]) is None
    assert training_time([]) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (1, 60, [20, 40, 60]), (0.93, 0.99, [0.94, 0.96, 0.98]), (0, 3e-6, None)],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float] | None) -> None:
    found = ticks(low, high)
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
    assert 2 <= len(found) <= 7
    if expected:
        assert found == pytest.approx(expected)


def test_ranges_hold_flat_curves_too() -> None:
    low, high = padded_range([1.0, 1.0], floor=0, ceiling=1)
    assert low < 1.0 <= high
    low, high = padded_range([0.0], floor=0)
    assert low < high


def test_chart_text_is_escaped() -> None:
    frame = PlotArea(x=(0, 1), y=(0, 1), x_label="x", y_label="y")
    svg = line_chart(frame, [ChartLine("<b>&", [0, 1], [0, 1])], "<title>")
    assert "<b>" not in svg
    assert "&lt;b&gt;&amp;" in svg
