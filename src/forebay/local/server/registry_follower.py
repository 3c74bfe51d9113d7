"""`python -m forebay.local.server.registry_follower` keeps the server of a state folder on the registry's champions.

Models are trained elsewhere then. This process needs MLflow, and the server beside it does not. The two share a state
folder and nothing else; whoever runs the containers starts the server, never this process.
"""

import argparse
import os
import shutil
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from forebay.errors import ForebayError
from forebay.local.server import server_status
from forebay.local.server.champions import find_champions
from forebay.local.server.publish import publish_or_restore
from forebay.local.server.timeouts import DEFAULT_TIMEOUTS
from forebay.serving.state import DesiredModel, LoadStatus
from forebay.signals import StopRequest, stop_request
from forebay.state import Home
from forebay.state.file_modes import UMASK
from forebay.state.mask import without_passwords
from forebay.state.mlflow_errors import explain_mlflow_error, is_mlflow_error
from forebay.text import one_line

INTERVAL_S = 10.0


def follow_registry(home: Home, every_s: float, stop: StopRequest) -> None:
    """Serve exactly the champions until a stop is requested; a failure is told once and tried again.

    Args:
        home: the state folder, open.
        every_s: time between two looks at the registry.
        stop: asked between two looks; a look in progress is finished first.
    """
    told = ""
    while not stop:
        said = one_line(_synchronize(home))
        if said != told:
            print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {said}", flush=True)
        told = said
        stop.wait(every_s)


def _synchronize(home: Home) -> str:
    """Serve the present champions; returns what a person is told."""
    from mlflow import MlflowException

    try:
        found = find_champions(home)
        if server_status.running_server(home) is None:
            return f"No server runs on {home.root}. Trying again."
        present = server_status.desired_models(home)
        # a champion that cannot be fetched now stays as it is served
        wanted = {name: present[name] for name in found.problems if name in present} | found.models
        problems = [*found.problems.values(), *_publish(home, wanted)]
        if not problems:
            _forget_downloads(home, wanted)
    except (ForebayError, MlflowException, OSError) as error:  # the tracking server is not up yet, or the server ended
        words = explain_mlflow_error(error) if is_mlflow_error(error) else str(error)
        return without_passwords(f"{words} Trying again.")
    return without_passwords(" ".join([f"serving {_listed(server_status.loaded_models(home))}.", *problems]))


def _publish(home: Home, wanted: dict[str, DesiredModel]) -> list[str]:
    """Have the server load the champions that do not answer yet; returns the problems."""
    loaded = server_status.loaded_models(home)
    answering = {name: model.loaded_status for name, model in wanted.items()}
    if wanted == server_status.desired_models(home) and loaded == answering:
        return []
    published = publish_or_restore(home, lambda _: wanted, wanted.keys(), DEFAULT_TIMEOUTS.load_s)
    return [f"{name}: {published.error(name)}" for name in wanted if published.error(name)]


def _forget_downloads(home: Home, wanted: dict[str, DesiredModel]) -> None:
    """Remove downloads that are no longer served, which would fill the disk; the registry has them all."""
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
        "--every", type=_seconds, default=INTERVAL_S, metavar="S", help="seconds between looks (%(default)s)"
    )
    options = parser.parse_args(arguments)
    os.umask(UMASK)
    try:
        with stop_request() as stop:
            follow_registry(Home.find().open(), options.every, stop)
    except ForebayError as error:
        print(one_line(f"error: {error}"), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
