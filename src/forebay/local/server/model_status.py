"""For each model that should be served: what answers, as `forebay status` and `forebay serve` show it."""

from collections.abc import Mapping
from typing import Any

from forebay.serving.state import DesiredModel, LoadStatus


def model_lines(wanted: Mapping[str, DesiredModel], loaded: Mapping[str, LoadStatus]) -> list[str]:
    """One line for each wanted model: what answers, and what a person should know of it."""
    return [_line(name, served, loaded.get(name, LoadStatus())) for name, served in sorted(wanted.items())]


def model_facts(wanted: Mapping[str, DesiredModel], loaded: Mapping[str, LoadStatus]) -> dict[str, dict[str, Any]]:
    """The same for programs: each model that should be served, with `answers` and `error`."""
    found = {}
    for name, served in wanted.items():
        state = loaded.get(name, LoadStatus())
        found[name] = {**vars(served), "answers": state.version or None, "error": _problem(served, state)}
    return found


def _line(name: str, served: DesiredModel, state: LoadStatus) -> str:
    line = f"  {name} version {served.version}"
    if not served.digest:
        line += " (registered by an earlier Forebay: only its weights are checked)"
    problem = _problem(served, state)
    if not problem:
        return line
    answers = f"version {state.version} answers" if state.version else "nothing answers"
    return f"{line}: {answers}, for {problem}"


def _problem(served: DesiredModel, state: LoadStatus) -> str:
    """Why the model that should be served does not answer; empty where it does."""
    if state == served.loaded_status:
        return ""
    return state.error or ("it is being loaded" if state.loading else "it is not loaded")
