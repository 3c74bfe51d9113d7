"""The blocks of docs/python.md run as they are written, one after the other, in a thread of a process that goes on."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from forebay.contracts.bundles.spec import HISTORY
from forebay.state.file_modes import UMASK
from support.fake_pipelines_api import FakePipelines, fake_pipelines, recorded
from support.made_once import home_with
from support.markdown_pages import DOCS, Page
from support.small_images import draw, write_folder

PAGE = Page(DOCS / "python.md")
PER_CLASS = 40


@dataclass(frozen=True)
class Ran:
    """What the blocks left."""

    names: dict[str, Any]
    folder: Path
    before: tuple[object, ...]  # of the process
    after: tuple[object, ...]
    cluster: FakePipelines


def _process() -> tuple[object, ...]:
    """What of a process the API must leave as it is."""
    umask = os.umask(UMASK)
    os.umask(umask)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    return (umask, Path.cwd(), *handlers)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("python")
    write_folder(folder / "photos", per_class=PER_CLASS)
    Image.fromarray(draw("ring", 77, 40, 40)).save(folder / "image.png")
    home_with(mlflow_template, folder / ".forebay")
    names: dict[str, Any] = {}
    with (
        contextlib.chdir(folder),
        pytest.MonkeyPatch.context() as patch,
        fake_pipelines(recorded("done")) as cluster,
    ):
        patch.delenv("FOREBAY_HOME", raising=False)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("FOREBAY_PORT", "0")
        patch.setenv("FOREBAY_KFP_HOST", cluster.url)
        before = _process()
        failed = _run_in_thread(names)
        after = _process()
        import forebay

        forebay.stop()  # where a block failed
        if failed:
            raise failed[0]
        yield Ran(names, folder, before, after, cluster)


def _run_in_thread(names: dict[str, Any]) -> list[BaseException]:
    failed: list[BaseException] = []

    def blocks() -> None:
        try:
            for number, block in enumerate(PAGE.blocks("python"), 1):
                exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=blocks)
    thread.start()
    thread.join()
    return failed


def test_the_blocks_run_and_leave_the_process_as_it_was(ran: Ran) -> None:
    assert ran.after == ran.before


def test_only_the_user_may_read_what_the_run_left(ran: Ran) -> None:
    assert (ran.folder / ".forebay").stat().st_mode & 0o077 == 0


def test_the_model_of_the_page_tells_rings_from_crosses(ran: Ran) -> None:
    model = ran.names["model"]
    files = sorted((ran.folder / "photos").glob("*/*.png"))
    right = [prediction.label == file.parent.name for prediction, file in zip(model.predict(files), files, strict=True)]
    assert sum(right) > 0.9 * len(files)
    assert (str(model), model.classes) == ("photos/1", ["cross", "ring"])


def test_the_run_on_the_cluster_has_the_settings_of_the_page(ran: Ran) -> None:
    [started] = ran.cluster.runs
    parameters = started["runtime_config"]["parameters"]
    assert (parameters["ingest_data"], parameters["train_epochs"]) == ("s3://bucket/photos", "5")
    result = ran.names["result"]
    assert (result.state, result.run_id) == ("done", ran.names["submitted"].run_id)
    assert result.run_url.startswith(ran.cluster.url)


def test_the_error_of_the_page_is_the_one_that_it_shows(ran: Ran) -> None:
    shown = "train.epochs must be auto or a whole number of at least 1, got '0'"
    assert shown in PAGE.text
    with pytest.raises(ran.names["forebay"].ConfigError, match=shown):
        ran.names["forebay"].run("photos/", settings={"train.epochs": 0})


def test_a_registered_bundle_of_which_any_file_was_changed_is_refused(ran: Ran) -> None:
    curves = ran.names["model"].folder / HISTORY
    before = curves.read_bytes()
    curves.write_bytes(before.replace(b"1", b"2", 1))
    try:
        with pytest.raises(ran.names["forebay"].ForebayError, match=f"photos version 1 is refused.*{HISTORY}"):
            ran.names["forebay"].load_model("photos/1", home=ran.folder / ".forebay")
    finally:
        curves.write_bytes(before)
