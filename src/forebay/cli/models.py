"""How a served model stands in `forebay status` and `forebay serve`."""

from typing import Any

from forebay.serving.local import control
from forebay.serving.state import Loaded, Served
from forebay.state import Home

NOT_LOADED = "it is not loaded"


def model_lines(home: Home) -> list[str]:
    """One line for each wanted model: what answers, and what a person should know of it."""
    loaded = control.loaded_models(home)
    wanted = sorted(control.current_models(home).items())
    return [_line(name, served, loaded.get(name, Loaded())) for name, served in wanted]


def model_objects(home: Home) -> dict[str, dict[str, Any]]:
    """The same for programs: what is wanted by name, and under `answers` and `error` what became of it."""
    loaded = control.loaded_models(home)
    found = {}
    for name, served in control.current_models(home).items():
        state = loaded.get(name, Loaded())
        found[name] = {**vars(served), "answers": state.version or None, "error": _problem(served, state)}
    return found


def _line(name: str, served: Served, state: Loaded) -> str:
    line = f"  {name} version {served.version}"
    if not served.digest:
        line += " (registered by an earlier Forebay: only its weights are checked)"
    problem = _problem(served, state)
    if not problem:
        return line
    answers = f"version {state.version} answers" if state.version else "nothing answers"
    return f"{line}: {answers}, for {problem}"


def _problem(served: Served, state: Loaded) -> str:
    """Why what is wanted is not what answers; empty where it is."""
    if state == served.answering:
        return ""
    return state.error or ("it is being loaded" if state.loading else NOT_LOADED)
