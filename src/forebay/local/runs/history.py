"""Runs of the state folder that were: found by their id, and summed up even where they never ended."""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from forebay.backend.summary import event_time, seconds_between, summarize
from forebay.backend.summary_text import summary_rows
from forebay.errors import ConfigError, DamagedFileError
from forebay.local.runs.interruption import killed_error
from forebay.local.server import server_status
from forebay.state import Home, RunFolder, read_object
from forebay.state.events import read_events
from forebay.state.home import read_plan

RUNNING, KILLED = "running", "killed"  # states of a run without a summary file
NO_RUN = summarize("", []) | {"run_id": None, "state": None, "started": None, "seconds": None}  # every key of a run's


def load_summaries(home: Home, tell: Callable[[str], None], most: int | None = None) -> list[dict[str, Any]]:
    """The summaries of the newest runs, or of all.

    A run whose command came to its end says itself how it ended: `done`, `refused`, `failed`, or `interrupted` by
    Ctrl-C or SIGTERM. Of the others, the one whose command lives and holds the state folder's lock is `running`, and
    all others were `killed`.

    Args:
        home: the state folder.
        tell: called with what is damaged.
        most: how many runs; None for all.
    """
    runs = home.list_runs()[:most]
    newest_runs = bool(runs) and _holds_lock(home, runs[0])  # before its summary is read, which its end writes
    return [load_summary(run, tell, runs_now=newest_runs and run == runs[0]) for run in runs]


def _holds_lock(home: Home, run: RunFolder) -> bool:
    """Whether the command of this run holds the lock now, and no other one, such as `forebay prune`."""
    try:
        command = read_plan(run).get("pid")
    except DamagedFileError:
        command = None
    return home.lock.is_held() and command in (None, home.lock.holders_pid())


def load_summary(
    run: RunFolder, tell: Callable[[str], None] = lambda _: None, *, runs_now: bool = False
) -> dict[str, Any]:
    """The summary of a run; rebuilt from its events when the run did not say how it ended, or the file is damaged.

    Args:
        run: the run whose summary is read.
        tell: called with what is damaged.
        runs_now: whether the run still goes on, if it did not say how it ended.
    """
    started = run.started.isoformat() if run.started else None
    try:
        summary = read_object(run.summary, lost="how the run ended, and its seconds", mend="The rest is in its events.")
        summary = {"started": started, **summary}  # one of an earlier Forebay does not say
        if _is_whole(summary):
            return summary
        tell(f"{run.summary} is damaged: facts are missing. Lost: how the run ended. The rest is in its events.")
    except FileNotFoundError:
        pass
    except DamagedFileError as error:
        tell(str(error))
    rebuilt = {"started": started, **_from_events(run, runs_now=runs_now)}
    if _is_whole(rebuilt):
        return rebuilt
    folder = shlex.quote(str(run.folder))
    tell(f"{run.events} is damaged. Lost: what is known of the run; rm -r {folder} removes the rest of it.")
    return NO_RUN | {"run_id": run.run_id, "state": RUNNING if runs_now else KILLED, "started": started}


def _from_events(run: RunFolder, *, runs_now: bool) -> dict[str, Any]:
    """What the events of a run tell that did not say how it ended."""
    events = read_events(run.events)[0]
    if runs_now:
        now = datetime.now(UTC)
        return summarize(run.run_id, events, now) | {"state": RUNNING, "seconds": seconds_between(run.started, now)}
    last = event_time(events[-1]) if events else None
    ended_by_a_signal = {event["step"] for event in events if event.get("error_type") == "SystemExit"}
    summary = summarize(run.run_id, events)
    error = summary["error"]
    if error is None or error["step"] in ended_by_a_signal:  # a step ends itself when its command is gone
        error = killed_error(events)
    return summary | {
        "state": KILLED,
        "seconds": seconds_between(run.started, last),
        "error": error,
        "progress": None,
    }


def _is_whole(summary: dict[str, Any]) -> bool:
    """Whether a summary has what people are shown of it."""
    try:
        summary_rows(summary)
        datetime.fromisoformat(summary["started"] or "2026-01-01")
        are_text = isinstance(summary["state"], str) and isinstance(summary["run_id"], str)
        return are_text and isinstance(summary["seconds"], int | float | None)
    except (KeyError, TypeError, AttributeError, ValueError):
        return False


def find_run(home: Home, run_id: str | None) -> RunFolder:
    """The run of an id, or the newest.

    Raises:
        ConfigError: there is none.
    """
    runs = home.list_runs()
    if run_id is None and runs:
        return runs[0]
    for run in runs:
        if run.run_id == run_id:
            return run
    if not runs:
        raise ConfigError(f"There is no run in {home.root} yet. `forebay run` makes one.")
    known = ", ".join(run.run_id for run in runs[:5])
    raise ConfigError(f"There is no run {run_id!r} in {home.root}. Newest runs: {known}.")


def default_model(home: Home) -> str:
    """The model of the newest run that is served now, else the only one that is.

    Raises:
        ConfigError: there are several, or none.
    """
    served = server_status.desired_models(home)
    for run in home.list_runs():
        name = (load_summary(run)["model"] or {}).get("name")
        if name in served:
            return str(name)
    if len(served) == 1:
        return next(iter(served))
    raise ConfigError(
        f"Name the model, one of: {', '.join(sorted(served)) or 'none is served; start with `forebay run`'}."
    )


def newest_model(home: Home) -> str:
    """The registered model of the newest run that has one; it need not be served.

    Raises:
        ConfigError: there is none.
    """
    for run in home.list_runs():
        model = load_summary(run)["model"] or {}
        if model.get("version"):
            return str(model["name"])
    raise ConfigError(
        f"No run in {home.root} registered a model. `forebay run` makes one, or name one with --name: NAME, NAME/3 or "
        "the folder of a bundle."
    )
