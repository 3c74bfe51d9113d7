"""The page as a person meets it: in a real headless browser, with mouse, keyboard and screen reader."""

import json
import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from support.browser import Tab, needs_browser
from support.page_server import COLOUR, HOSTILE, PageServer

pytestmark = needs_browser

READY = "document.querySelector('#model-name').innerText"
ANSWERED = "document.querySelectorAll('#results > li').length"
FAILED = "!document.querySelector('#error').hidden"
DARK, LIGHT = [("prefers-color-scheme", "dark")], [("prefers-color-scheme", "light")]


@pytest.fixture
def page(browser: Tab, page_server: PageServer) -> Iterator[Tab]:
    """The page, fresh, with the digits chosen; nothing on it may break its policy or raise an error."""
    browser.look()
    browser.open(f"{page_server.url}/?model=digits", READY)
    yield browser
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Handwritten digits as files; one name holds what a shell, HTML and people stumble over."""
    folder = tmp_path_factory.mktemp("images")
    names = ["it's <b>two $HOME.png", "second.png", "third.jpg"]
    for name, pixels, side in zip(names, load_digits().images[-3:], (64, 200, 200), strict=True):
        image = Image.fromarray(np.minimum(pixels * 16, 255).astype(np.uint8))
        image.resize((side, side), Image.Resampling.BICUBIC).save(folder / name, quality=95)
    return [folder / name for name in names]


def test_it_shows_what_is_served_with_accuracy_card_and_report(page: Tab, page_server: PageServer) -> None:
    assert page.text("h1") == "digits"
    assert page.text("#model-line") == "version 1 · mlp · grey images of 8 × 8 · 10 classes"
    accuracy = page_server.ask("GET", "/page/models").json["models"][-1]["accuracy"]
    assert page.text("#model-accuracy") == f"{accuracy:.2%}".replace("%", " %") + "\nof held-out images are right"
    assert page.texts("#model-links a") == ["Report", "Model card", "MLflow"]
    facts = dict(zip(page.texts("#card-facts dt"), page.texts("#card-facts dd"), strict=True))
    assert facts["Gate"].startswith("passed: accuracy 0.9")
    assert "held-out images; 95% interval" in facts["Accuracy"]
    page.click("#card-more summary")
    assert page.texts("#card-text h3") == ["Data", "Accuracy by class", "Limits", "How to call it", "Origin"]
    assert len(page.texts("#card-text tbody tr")) == 10
    assert "&#" not in page.text("#card")
    assert "**" not in page.text("#card")
    assert page.texts("#chooser label") == [COLOUR, "digits"]


def test_the_report_opens_with_its_charts_under_its_own_policy(page: Tab, page_server: PageServer) -> None:
    page.click("#model-links a")
    page.until("location.pathname === '/page/models/digits/report' && document.readyState === 'complete'")
    assert page.js("[...document.images].every(image => image.naturalWidth > 0) && document.images.length > 0")
    assert page.js("document.querySelectorAll('polyline').length > 0")
    assert page.js("getComputedStyle(document.querySelector('.badge')).borderRadius") == "999px"
    assert page.js("origin") == "null"


def test_an_image_is_answered_as_the_server_answers_it_and_the_curl_does_the_same(
    page: Tab, page_server: PageServer, images: list[Path]
) -> None:
    page.choose_files("#files", images[0])
    page.until(ANSWERED)
    path = "/v1/models/digits:predict"
    wanted = page_server.ask("POST", path, images[0].read_bytes(), Content_Type="image/png").json["predictions"][0]
    assert page.text("#results .label b") == wanted["label_name"]
    assert page.text("#results .name") == images[0].name
    shown = [text.split() for text in page.texts("#results .bars li")]
    best = sorted(enumerate(wanted["probabilities"]), key=lambda pair: -pair[1])[:5]
    assert [words[0] for words in shown] == [str(index) for index, _ in best]
    assert [float(words[1]) for words in shown] == [pytest.approx(100 * part, abs=0.06) for _, part in best]
    widths = page.js("[...document.querySelectorAll('.track i')].map(bar => bar.style.inlineSize)")
    assert float(widths[0].rstrip("%")) == pytest.approx(100 * best[0][1], abs=0.01)
    assert " ms, there and back, by digits version 1" in page.text("#status")
    command = page.text("#curl")
    assert f"{page_server.url}{path} " in command
    assert _shell(command, images[0].parent)["predictions"] == [wanted]
    page.click("#results button")
    assert len(page.texts("#results .bars li")) == 10


def test_several_images_are_dropped_and_answered_in_one_request_that_can_be_saved(
    page: Tab, page_server: PageServer, images: list[Path], tmp_path: Path
) -> None:
    page.drop_files("#drop", *images)
    page.until(f"{ANSWERED} === 3")
    assert page.texts("#results .name") == [image.name for image in images]
    assert page.text("#status").endswith(", there and back, by digits version 1")
    assert "3 images in " in page.text("#status")
    page.until("[...document.querySelectorAll('#results img')].every(image => image.naturalWidth > 0)")
    assert page.text("#save") == "Save request.json"
    saved = page.download("#save", tmp_path, "request.json").read_text()
    assert list(json.loads(saved)["instances"][0]) == ["b64"]
    answers = _shell(page.text("#curl"), tmp_path)["predictions"]
    assert [answer["label_name"] for answer in answers] == page.texts("#results .label b")


def test_an_image_is_pasted(page: Tab, page_server: PageServer, images: list[Path]) -> None:
    page.ask("Browser.grantPermissions", origin=page_server.url, permissions=["clipboardReadWrite"])
    page.js(
        "new Promise(done => { const canvas = document.createElement('canvas'); canvas.width = canvas.height = 16;"
        "canvas.toBlob(done) }).then(blob => navigator.clipboard.write([new ClipboardItem({'image/png': blob})]))"
    )
    page.key("v", commands=["paste"])
    page.until(ANSWERED)
    assert page.texts("#results .name") == ["image.png"]


def test_a_digit_is_drawn_with_the_mouse_as_the_training_images_are(page: Tab) -> None:
    x, y = page.middle("#canvas")
    around = [(x + 55 * math.sin(turn / 8 * math.pi), y - 95 * math.cos(turn / 8 * math.pi)) for turn in range(17)]
    page.stroke(*around)
    page.until(ANSWERED)
    assert page.text("#results .label b") == "0"
    command = page.text("#curl")
    pixels = json.loads(command.partition("--data ")[2].strip("'"))["instances"][0]
    assert np.shape(pixels) == (8, 8)
    assert (pixels[0][0], pixels[3][3]) == (0, 0)
    assert max(map(max, pixels)) > 200, "light on dark"
    assert _shell(command, Path.cwd())["predictions"][0]["label_name"] == "0"
    page.click("#clear")
    image = "document.querySelector('#preview').getContext('2d').getImageData(0, 0, 8, 8)"
    assert page.js(f"{image}.data.every((value, index) => index % 4 === 3 || value === 0)")


def test_without_a_mouse_everything_is_reached_and_a_digit_is_drawn(page: Tab) -> None:
    page.js("document.body.focus()")
    reached = []
    for _ in range(13):
        page.key("Tab")
        reached.append(page.js("document.activeElement.id || document.activeElement.innerText"))
        assert page.js("document.activeElement.matches(':focus-visible')")
    wanted = [
        "Skip to the images",
        "Forebay",
        "API",
        "Metrics",
        "Report",
        "Model card",
        "MLflow",
        "files",
        "example",
        "canvas",
        "clear",
    ]
    assert [each.strip() for each in reached if each.strip() in wanted] == wanted
    page.js("document.querySelector('#canvas').focus()")
    page.key("ArrowUp", 5)
    page.key("ArrowLeft", 3)
    page.key(" ")
    assert page.text("#pen") == "Pen down. 31 percent from the left, 19 from the top."
    for key, times in (("ArrowRight", 6), ("ArrowDown", 10), ("ArrowLeft", 6), ("ArrowUp", 10), (" ", 1), ("Enter", 1)):
        page.key(key, times)
    page.until(ANSWERED)
    assert page.text("#results .label b") == "0"
    page.key("Delete")
    assert page.text("#pen") == "Cleared."


def test_a_screen_reader_is_told_what_everything_is_and_what_was_answered(page: Tab, images: list[Path]) -> None:
    page.choose_files("#files", images[0])
    page.until(ANSWERED)
    found = page.accessible()
    controls = [(role, name) for role, name in found if role in ("button", "link", "radio", "textbox", "application")]
    assert all(name for _, name in controls)
    for wanted in (("heading", "digits"), ("radio", "digits"), ("button", "Choose images"), ("application", "Or draw"),
                   ("region", "Ask"), ("region", "Answer"), ("list", "Answers"), ("button", "Copy")):  # fmt: skip
        assert wanted in found, wanted
    label = page.text("#results .label b")
    assert page.js("document.querySelector('#status').getAttribute('role')") == "status"
    assert page.js("document.querySelector('#status').textContent").startswith(f"{label}, ")


def test_an_error_is_shown_in_the_servers_words_with_the_name_of_the_file(
    page: Tab, images: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(images[0].read_bytes()[:60])
    (tmp_path / "notes.txt").write_text("no image")
    page.choose_files("#files", images[1], tmp_path / "broken.png")
    page.until(FAILED)
    assert page.text("#error").startswith("broken.png: instances[1]")
    assert page.texts("#results li") == []
    page.drop_files("#drop", tmp_path / "notes.txt")
    page.until("document.querySelector('#error').innerText === 'notes.txt is no image.'")
    page.complaints()  # the browser notes the status 400


def test_names_of_classes_and_models_are_text_whatever_they_hold(page: Tab, images: list[Path]) -> None:
    page.click("#chooser label")
    page.until(f"{READY} === {json.dumps(COLOUR)}")
    assert page.js("document.querySelector('#draw').hidden")
    assert page.js("document.querySelector('#card').hidden")
    page.click("#example")
    page.until(ANSWERED)
    page.click("#results button")
    assert HOSTILE in page.texts("#results .class")
    assert page.js("document.title") == f"{COLOUR} · Forebay"
    answer = _shell(page.text("#curl"), Path.cwd())
    assert answer["predictions"][0]["label_name"] == page.text("#results .label b")
    assert page.js(f"new URLSearchParams(location.search).get('model') === {json.dumps(COLOUR)}")


@pytest.mark.parametrize("path", ["/?model=digits", "/docs"])
def test_light_and_dark_are_readable_and_a_narrow_window_needs_no_scrolling_sideways(
    page: Tab, page_server: PageServer, images: list[Path], path: str
) -> None:
    page.open(
        page_server.url + path,
        "document.querySelector('.operation .inside') || document.querySelector('#model-name').innerText",
    )
    if path != "/docs":
        page.choose_files("#files", *images)
        page.until(ANSWERED)
    grounds = []
    for media in (LIGHT, DARK):
        page.look(media=media)
        grounds.append(page.js("getComputedStyle(document.body).backgroundColor"))
        assert page.js(CONTRASTS) == []
    assert grounds == ["rgb(246, 247, 249)", "rgb(14, 19, 26)"]
    for width in (320, 414, 768):
        page.look(width=width, height=800)
        assert page.js("document.documentElement.scrollWidth") <= width


def test_it_asks_nobody_but_its_server(page: Tab, page_server: PageServer, images: list[Path]) -> None:
    page.choose_files("#files", images[0])
    page.until(ANSWERED)
    asked = page.js("performance.getEntriesByType('resource').map(each => each.name)")
    assert all(name.startswith((f"{page_server.url}/", f"blob:{page_server.url}/")) for name in asked)


def test_each_operation_of_the_documentation_is_tried_with_its_example(page: Tab, page_server: PageServer) -> None:
    page.open(f"{page_server.url}/docs", "document.querySelector('.operation .inside')")
    paths = page.texts(".operation > summary > code")
    document = page_server.ask("GET", "/openapi.json").json
    assert set(paths) == set(document["paths"])
    page.js("document.querySelectorAll('.operation').forEach(each => { each.open = true })")
    page.until(f"document.querySelectorAll('.operation .inside').length === {len(paths)}")
    _send_all(page, len(paths))  # for the first model, which has no numbers small enough for an example in V2
    page.js(
        "[...document.querySelectorAll('select')].filter(each => [...each.options].some(one => one.value === 'digits'))"
        ".forEach(each => { each.value = 'digits'; each.dispatchEvent(new Event('change', {bubbles: true})) })"
    )
    _send_all(page, len(paths))
    commands = page.texts(".inside > .code code")
    assert f"curl {page_server.url}/v2/models/digits" in commands
    predict = next(each for each in commands if "/v1/models/digits:predict" in each)
    assert _shell(predict, Path.cwd())["predictions"][0]["model_version"] == "1"


def _send_all(page: Tab, operations: int) -> None:
    """Try every operation of the documentation; each has to be answered well."""
    page.js("[...document.querySelectorAll('.answer')].forEach(each => each.replaceChildren())")
    page.js("[...document.querySelectorAll('.inside .primary')].forEach(each => each.click())")
    page.until(f"document.querySelectorAll('.answer .ok, .answer .failed').length === {operations}")
    assert page.texts(".answer .failed") == []


def _shell(command: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# Every text that is seen whose contrast with the ground behind it is below 4.5 (WCAG 2.2, AA).
CONTRASTS = """(() => {
  const parts = colour => { const found = colour.match(/[\\d.]+/g).map(Number); return [...found, 1].slice(0, 4); };
  const linear = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = node => {
    for (let each = node; each; each = each.parentElement) {
      const found = parts(getComputedStyle(each).backgroundColor);
      if (found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const wrong = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || !node.checkVisibility() || node.closest('.unseen, .skip, noscript, option')) continue;
    const both = [light(parts(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    const contrast = (both[0] + 0.05) / (both[1] + 0.05);
    if (contrast < 4.5) wrong.push(`${text}: ${contrast.toFixed(2)}`);
  }
  return wrong;
})()"""
