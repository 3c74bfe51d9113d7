"""`forebay.run`: the whole pipeline on this machine."""

import os
import warnings
from collections.abc import Mapping

from forebay.api.curves import run_curves
from forebay.api.progress import ProgressView, progress_view
from forebay.api.result import RunResult
from forebay.api.run_settings import SettingValue, parse_settings
from forebay.api.server_options import default_server_options
from forebay.api.state_folder import PathLike, state_folder
from forebay.backend.protocol import RunRequest
from forebay.backend.summary import Summary
from forebay.errors import EndedBySignalError
from forebay.local.backend import LocalBackend
from forebay.settings.cluster_only import check_local_settings
from forebay.state import RunFolder


def run(
    data: PathLike | None = None,
    *,
    model: PathLike | None = None,
    name: str | None = None,
    seed: int | None = None,
    settings: Mapping[str, SettingValue] | None = None,
    fresh: bool = False,
    wait: bool = False,
    home: PathLike | None = None,
    port: int | None = None,
    show: bool = True,
) -> RunResult:
    """Run the whole pipeline on this machine: from images to a model that answers over REST.

    It does what `forebay run` does. A second run does again only what has changed. Signal handlers, working folder and
    umask of the caller stay as they are. It may be called from any thread; Ctrl-C reaches the main thread alone.

    Args:
        data: a folder with a sub-folder per class, an archive, `s3://…`, or a source of your own, `FILE.py:NAME`;
            without it, 1 797 handwritten digits.
        model: a network by name, such as `resnet18`, or one of your own, `FILE.py:NAME`.
        name, seed: of the registered model, by default the data's name; of all random numbers.
        settings: every other setting by key, such as `{"train.epochs": 5}`; docs/settings.md lists them. They win over
            the arguments above.
        fresh, wait: forget cached results and checkpoints; wait for another run that uses the state folder.
        home: the state folder; without it, `FOREBAY_HOME`, else `.forebay` in the working folder.
        port: of the server, should none run; 0 takes any free one. Without it, `FOREBAY_PORT`, the last one, or 8090.
        show: show progress: a live view in a notebook or on a terminal, else plain lines on standard error.

    Returns:
        What it gave. Where the gate refused the model, `passed` is False; that is no error.

    Raises:
        ConfigError, MachineError, LockHeldError: a setting, the machine or the state folder cannot be used.
        StepFailedError: a step failed; its message is the step's own.
        KeyboardInterrupt: Ctrl-C; the message says what is kept. The same call goes on from it.
    """
    values = parse_settings(settings, ingest_data=data, train_model=model, evaluate_name=name, train_seed=seed)
    check_local_settings(values)
    request = RunRequest(settings=values, fresh=fresh, wait=wait)
    return _run(request, home, port, progress_view(show=show))


def _run(request: RunRequest, home: PathLike | None, port: int | None, view: ProgressView) -> RunResult:
    with state_folder(home, writing=True) as place:
        options = default_server_options(place, port, request.settings, _warn)
        try:
            summary = run_shown(LocalBackend(home=place, server_options=options), request, view)
        except EndedBySignalError as error:
            raise KeyboardInterrupt(str(error)) from error
        return RunResult(summary, run_curves(RunFolder(place.runs / os.fspath(summary["run_id"]))))


def run_shown(backend: LocalBackend, request: RunRequest, view: ProgressView) -> Summary:
    """Run the pipeline and show it; raises as `LocalBackend.run`."""
    with view:
        return backend.run(request, view.show)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)
