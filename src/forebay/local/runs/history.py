"""Runs of the state folder that were: found by their id, and summed up even where they never ended."""

import shlex
from collections.abc import Callable
from typing import Any

from forebay.backend.summary import summarize
from forebay.backend.summary_text import summary_rows
from forebay.errors import ConfigError, DamagedFileError
from forebay.local.server import server_status
from forebay.state import Home, RunFolder, read_object
from forebay.state.events import read_events

UNFINISHED = "unfinished"  # it was killed, or it still runs
RUNNING = "running"
NO_RUN = summarize("", []) | {"run_id": None, "state": None, "seconds": None}  # every key of a run's summary


def load_summaries(home: Home, tell: Callable[[str], None], most: int | None = None) -> list[dict[str, Any]]:
    """The summaries of the newest runs, or of all; the one that the state folder's lock belongs to is `running`.

    Args:
        home: the state folder.
        tell: called with what is damaged.
        most: how many runs; None for all.
    """
    summaries = [load_summary(run, tell) for run in home.list_runs()[:most]]
    if summaries and summaries[0]["state"] == UNFINISHED and home.lock.is_held():
        summaries[0]["state"] = RUNNING
    return summaries


def load_summary(run: RunFolder, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """The summary of a run; rebuilt from its events when the run never ended, or the file is damaged.

    Args:
        run: the run whose summary is read.
        tell: called with what is damaged.
    """
    try:
        summary = read_object(run.summary, lost="how the run ended, and its seconds", mend="The rest is in its events.")
        if _is_whole(summary):
            return summary
        tell(f"{run.summary} is damaged: facts are missing. Lost: how the run ended. The rest is in its events.")
    except FileNotFoundError:
        pass
    except DamagedFileError as error:
        tell(str(error))
    rebuilt = summarize(run.run_id, read_events(run.events)[0]) | {"state": UNFINISHED, "seconds": None}
    if _is_whole(rebuilt):
        return rebuilt
    folder = shlex.quote(str(run.folder))
    tell(f"{run.events} is damaged. Lost: what is known of the run; rm -r {folder} removes the rest of it.")
    return NO_RUN | {"run_id": run.run_id, "state": UNFINISHED}


def _is_whole(summary: dict[str, Any]) -> bool:
    """Whether a summary has what people are shown of it."""
    try:
        summary_rows(summary)
        return isinstance(summary["state"], str) and isinstance(summary["run_id"], str)
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
    known = ", ".join(run.run_id for run in runs[:5]) or "none yet"
    raise ConfigError(f"There is no run {run_id or ''} in {home.root}. Newest runs: {known}.")


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
