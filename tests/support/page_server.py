"""A server with a page: a state folder with a registered model, its report, and a second model."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forebay import registry
from forebay.evaluate import evaluate
from forebay.local.server import control
from forebay.local.server.champions import serve_models
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.state import Home, StepLog, write_bytes
from support.made_once import home_with
from support.tiny_inference_server import Reply, read_reply, write_desired_model

HOSTILE = '<img src=x onerror="document.title=1">'  # the name of a class of the second model
COLOUR = "colour 'pics'"


@dataclass(frozen=True)
class PageServer:
    """The server, its state folder, and the run whose report it shows."""

    home: Home
    url: str
    run_id: str

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """Send a request; a header's name is written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return read_reply(int(self.url.rpartition(":")[2]), method, path, body, named)


@contextlib.contextmanager
def page_server_in(folder: Path, shards: Path, bundle: Path, mlflow_template: Path) -> Iterator[PageServer]:
    """Evaluated, registered, made champion and served as a run does it, by the same functions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        home = home_with(mlflow_template, folder / "home")
        run = home.new_run()
        log = StepLog(name="page", run_id=run.run_id, home=home, events=run.events)
        evaluation = evaluate(shards, bundle, folder / "evaluation", EvaluateConfig(), log)
        write_bytes(run.report, evaluation.report.read_bytes())  # as the command does when its run ends
        version = register(shards, bundle, evaluation.folder, RegisterConfig(), log)
        registry.set_champion(home, evaluation.name, version)
        info = serve_models(home, (evaluation.name,), ServerOptions("127.0.0.1", 0))
        colour = write_desired_model(
            folder / "colour", "5", seed=2, shape=(60, 80, 3), classes=[HOSTILE, "cat", "dog", "a fish", "tree", "sea"]
        )
        publish(home, lambda present: present | {COLOUR: colour}, 120)
        yield PageServer(home, info.url, run.run_id)
        control.stop_server(home)
