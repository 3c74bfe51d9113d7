"""`python -m forebay.local.server.registry_follower` keeps the server of a state folder on the registry's champions.

For a stand in which models are trained elsewhere: this process needs MLflow, the server beside it does not. The two
share a state folder and nothing else; the server is started by whoever runs the containers, never from here.
"""

import argparse
import os
import shutil
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from forebay.errors import ForebayError
from forebay.local.server import control
from forebay.local.server.champions import LOAD_TIMEOUT_S, champions
from forebay.local.server.publish import publish_or_restore
from forebay.serving.state import DesiredModel, LoadStatus
from forebay.signals import StopRequest, stop_request
from forebay.state import Home
from forebay.state.file_modes import UMASK
from forebay.state.mask import without_passwords
from forebay.state.mlflow_errors import explain_mlflow_error, is_mlflow_error
from forebay.text import one_line

EVERY_S = 10.0


def follow(home: Home, every_s: float, stop: StopRequest) -> None:
    """Serve exactly the champions, until asked to end; what goes wrong is said once and tried again.

    Args:
        home: the state folder, open.
        every_s: time between two looks.
        stop: asked between two looks; a look in progress is finished first.
    """
    told = ""
    while not stop:
        said = one_line(_look(home))
        if said != told:
            print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {said}", flush=True)
        told = said
        stop.wait(every_s)


def _look(home: Home) -> str:
    """Serve what is champion now; returns what there is to say."""
    from mlflow import MlflowException

    try:
        found = champions(home)
        if control.status(home) is None:
            return f"No server runs on {home.root}. Trying again."
        present = control.current_models(home)
        # one that cannot be fetched now stays as it is
        wanted = {name: present[name] for name in found.problems if name in present} | found.served
        problems = [*found.problems.values(), *_publish(home, wanted)]
        if not problems:
            _forget_downloads(home, wanted)
    except (ForebayError, MlflowException, OSError) as error:  # the tracking server is not up yet, or the server ended
        words = explain_mlflow_error(error) if is_mlflow_error(error) else str(error)
        return without_passwords(f"{words} Trying again.")
    return without_passwords(" ".join([f"serving {_listed(control.loaded_models(home))}.", *problems]))


def _publish(home: Home, wanted: dict[str, DesiredModel]) -> list[str]:
    """Have the server load what it does not answer for yet; returns what went wrong."""
    loaded = control.loaded_models(home)
    answering = {name: model.loaded_status for name, model in wanted.items()}
    if wanted == control.current_models(home) and loaded == answering:
        return []
    published = publish_or_restore(home, lambda _: wanted, wanted.keys(), LOAD_TIMEOUT_S)
    return [f"{name}: {published.error(name)}" for name in wanted if published.error(name)]


def _forget_downloads(home: Home, wanted: dict[str, DesiredModel]) -> None:
    """A stand that is always on would fill its disk with champions of the past; the registry has them all."""
    kept = {Path(model.bundle) for model in wanted.values()}
    for folder in home.downloads.glob("[!.]*"):
        if not any(bundle.is_relative_to(folder) for bundle in kept):
            shutil.rmtree(folder)


def _listed(models: dict[str, LoadStatus]) -> str:
    versions = [f"{name} version {model.version}" for name, model in sorted(models.items()) if model.version]
    return ", ".join(versions) or "nothing: no registered model has an alias champion that can be served"


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0 < seconds < threading.TIMEOUT_MAX:  # nan is neither
        raise argparse.ArgumentTypeError(f"must be a finite number above 0, got {word}")
    return seconds


def main(arguments: list[str]) -> int:
    """Follow until SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m forebay.local.server.registry_follower", description=__doc__)
    parser.add_argument(
        "--every", type=_seconds, default=EVERY_S, metavar="S", help="seconds between looks (%(default)s)"
    )
    options = parser.parse_args(arguments)
    os.umask(UMASK)
    try:
        with stop_request() as stop:
            follow(Home.find().open(), options.every, stop)
    except ForebayError as error:
        print(one_line(f"error: {error}"), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
