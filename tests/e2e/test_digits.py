"""The default run: what a newcomer sees."""

import json
import re
import shutil
import socket
import stat
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.forebay_command import Forebay, ForebayHere, cached_steps

STEPS = ["ingest", "preprocess", "train", "evaluate", "register", "deploy"]
Digits = tuple[Forebay, dict[str, Any]]


def _digit_instances() -> tuple[list[Any], list[int]]:
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (data.images[:50] * (255 / 16)).round().astype(int)
    return images.tolist(), data.target[:50].tolist()


def test_the_summary_says_what_was_read_decided_and_served(digits: Digits) -> None:
    _, summary = digits
    assert summary["data"]["rows"] == 1797
    assert summary["data"]["classes"] == 10
    assert summary["data"]["quarantined"] == {}
    assert len(summary["data"]["digest"]) == 64
    assert [step["name"] for step in summary["steps"]] == STEPS
    assert not cached_steps(summary)
    accuracy = summary["accuracy"]
    assert accuracy["low"] < accuracy["value"] <= accuracy["high"] <= 1
    assert accuracy["value"] > 0.95
    assert summary["gate"]["passed"] is True
    assert summary["model"]["name"] == "digits"
    assert summary["model"]["version"] == "1"
    assert summary["state"] == "done"


def test_neither_engine_nor_steps_import_modules_of_the_folder_where_the_run_starts(digits: Digits) -> None:
    cli, summary = digits
    assert (cli.folder / "kfp.py").exists()
    assert summary["state"] == "done"
    log = (cli.home / "runs" / summary["run_id"] / "engine.log").read_text()
    assert "somebody imported" not in log


def test_nobody_else_may_read_anything_in_the_state_folder(digits: Digits) -> None:
    cli, _ = digits
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in (cli.home, *cli.home.rglob("*"))}
    assert len(found) > 50
    entries = {path.name for path in (cli.home / "cache").glob("*.json")}
    assert json.loads((cli.home / "cache-digests.json").read_text()).keys() == entries
    assert [(str(path), oct(mode)) for path, mode in found.items() if mode & 0o077 and not path.is_symlink()] == []


def test_the_served_model_knows_digits_it_is_shown(digits: Digits) -> None:
    _, summary = digits
    images, labels = _digit_instances()
    request = urllib.request.Request(summary["url"], json.dumps({"instances": images}).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        predictions = json.load(response)["predictions"]
    right = sum(answer["label"] == label for answer, label in zip(predictions, labels, strict=True))
    assert right >= 45
    assert {answer["model_version"] for answer in predictions} == {"1"}


@pytest.fixture(scope="module")
def again(digits: Digits) -> str:
    """What the same command prints the second time."""
    cli, _ = digits
    return cli("run").stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: apt-get install curl")
def test_the_printed_curl_works_as_pasted(again: str) -> None:
    line = next(line for line in again.splitlines() if line.startswith("curl "))
    answer = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, cwd="/")
    prediction = json.loads(answer.stdout)["predictions"][0]
    assert set(prediction) == {"label", "label_name", "probabilities", "model_version"}


def test_the_report_is_one_file_that_asks_for_nothing_else(digits: Digits) -> None:
    _, summary = digits
    html = Path(summary["report"]).read_text()
    assert not re.search(r"""\bsrc(?:set)?=(?!["']data:)""", html), "a link may lead elsewhere, nothing is loaded"
    assert not re.search(r"<(?:script|link|iframe|object)\b|@import|url\((?!['\"]?data:)", html)


def test_status_says_the_same_and_where_the_server_is(digits: Digits) -> None:
    cli = ForebayHere(digits[0].folder)
    status = cli.json("status")
    assert status["gate"]["passed"] is True
    assert status["server"]["models"]["digits"]["version"] == "1"
    text = cli("status").stdout
    assert "server.log" in text
    assert "forebay serve" in text


def test_nothing_under_the_state_folder_is_a_pickle(digits: Digits) -> None:
    cli, _ = digits
    suspicious = [
        path
        for path in cli.home.rglob("*")
        if path.is_file() and (path.suffix in {".pkl", ".pickle", ".pt", ".pth", ".joblib"} or _is_pickle(path))
    ]
    assert suspicious == []


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@pytest.mark.usefixtures("again")
def test_the_same_run_again_hits_the_cache_and_reuses_the_version(digits: Digits) -> None:
    cli, first = digits
    second = ForebayHere(cli.folder).json("status")
    assert second["run_id"] != first["run_id"]
    assert cached_steps(second) == {"ingest", "preprocess", "train"}
    assert second["model"] == first["model"]
    assert second["url"] == first["url"]
    assert second["data"] == first["data"]


def test_predict_answers_for_an_image_of_any_size(digits: Digits, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    cli, _ = digits
    images, labels = _digit_instances()
    image = Image.fromarray(np.array(images[0], np.uint8)).resize((64, 64), Image.Resampling.NEAREST)
    image.save(tmp_path / "digit.png")
    answer = ForebayHere(cli.folder).json("predict", tmp_path / "digit.png")
    assert answer["label"] == labels[0]


def test_a_missing_image_is_wrong_use(digits: Digits) -> None:
    done = ForebayHere(digits[0].folder)("predict", "absent.png", expect=2)
    assert "absent.png" in done.stderr


@pytest.mark.parametrize("step", ["train", "engine", "server"])
def test_logs_show_what_was_written(digits: Digits, step: str) -> None:
    assert len(ForebayHere(digits[0].folder)("logs", step).stdout.splitlines()) > 2


def test_ui_says_its_address_when_it_answers_and_a_kill_takes_its_server_with_it(digits: Digits) -> None:
    cli, _ = digits
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ui = cli.start("ui", "--port", port)
    try:
        assert ui.stderr is not None
        told = next((line for line in ui.stderr if " answers at " in line), "")  # a slow start is told before
        assert told == f"MLflow's UI answers at http://127.0.0.1:{port} until Ctrl-C.\n"
        tree = psutil.Process(ui.pid).children(recursive=True)
        assert _answers(port)
    finally:
        ui.kill()
        ui.communicate(timeout=300)
    assert psutil.wait_procs(tree, timeout=300)[1] == []


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
