"""A folder in which one step is tried: the artifacts before it, a state folder, and what the step says."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.settings.environment import EVENTS_VARIABLE, HOME_VARIABLE
from forebay.state import Home
from forebay.state.events import read_events
from forebay.state.process_environment import environment_variables

STEPS = ("ingest", "preprocess", "train", "evaluate", "register", "deploy")
OUTPUT = {"ingest": "rows", "preprocess": "shards", "train": "bundle", "evaluate": "evaluation"}
NAME = "digits"  # of the dataset, and so of the registered model


@dataclass(frozen=True)
class Place:
    """Where a step is tried."""

    folder: Path
    source: str = ""  # of the images, where they do not lie here
    disk: Path | None = None  # where the artifact goes that the step writes; else beside the others

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def rows(self) -> Path:
        return self.folder / "rows"

    @property
    def shards(self) -> Path:
        return self.folder / "shards"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def evaluation(self) -> Path:
        return self.folder / "evaluation"

    def output(self, step: str) -> Path:
        """The artifact that a step writes."""
        return (self.disk or self.folder) / OUTPUT[step]

    @contextmanager
    def tried(self) -> Iterator[None]:
        """The environment of one try, as the process that runs the pipeline gives it: a run folder of its own."""
        run = self.home.new_run()
        with environment_variables({HOME_VARIABLE: str(self.home.root), EVENTS_VARIABLE: str(run.events)}):
            yield

    def events(self) -> list[dict[str, Any]]:
        """Of the newest try."""
        return read_events(self.home.list_runs()[0].events)[0]

    def failure(self) -> dict[str, Any]:
        """How the newest try says it failed."""
        (failed,) = [event for event in self.events() if event["kind"] == "failed"]
        return failed

    def warnings(self) -> list[str]:
        """What the newest try warned of."""
        return [event["text"] for event in self.events() if event["kind"] == "warning"]


def place_before(step: str, template: Path, folder: Path, database: Path) -> Place:
    """A copy of everything that a step reads, with a fresh state folder.

    Args:
        template: a `Place`'s folder in which every step has been done.
        folder: made here.
        database: MLflow's, empty.
    """
    folder.mkdir()
    for name in ("images", *OUTPUT.values()):
        if OUTPUT.get(step) == name:
            break
        shutil.copytree(template / name, folder / name)
    place = Place(folder)
    shutil.copy(database, place.home.open().mlflow_database)
    return place
