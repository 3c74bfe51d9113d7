"""What `forebay status` says of the server: where it answers, or why it does not, and its restarts."""

from dataclasses import asdict
from typing import Any

from forebay.local.server import server_status
from forebay.local.server.model_status import model_facts, model_lines
from forebay.local.server.restart_record import RestartRecord
from forebay.serving.state import DesiredModel, ServerInfo, ServingFiles
from forebay.state import FileLock, Home

HIDDEN = ("pid", "unanswered")  # fields of `RestartRecord` that only the supervisor and commands need


def server_facts(home: Home, server: ServerInfo | None, models: dict[str, DesiredModel]) -> dict[str, Any] | None:
    """The server for `--json`; None where none answers."""
    if server is None:
        return None
    facts = model_facts(models, server_status.loaded_models(home))
    return {"url": server.url, "pid": server.pid, "log": server.log, "models": facts}


def restart_facts(home: Home, server: ServerInfo | None) -> dict[str, Any] | None:
    """How often, when last and why the server was started again; None where that is not known."""
    told = server_status.read_restarts(home, server)
    return None if told is None else {key: value for key, value in asdict(told).items() if key not in HIDDEN}


def server_lines(home: Home, server: ServerInfo | None, models: dict[str, DesiredModel]) -> list[str]:
    """The server for people, with what it should serve, and its restarts."""
    told = server_status.read_restarts(home, server)
    if server is None:
        return ["", *_down(home, told)]
    lines = ["", f"server: {server.url} ({server.runs_as}), log {server.log}"]
    if told is not None and told.count:
        lines.append(f"  started again {_times(told.count)}, the last time after {told.last}: {told.why}")
    lines += model_lines(models, server_status.loaded_models(home))
    return [*lines, "After a reboot: `forebay serve`. To end it: `forebay stop`."]


def _down(home: Home, told: RestartRecord | None) -> list[str]:
    log = ServingFiles.of(home).log
    if FileLock(ServingFiles.of(home).lock).is_held():
        return [
            f"server: running, starting or ending ({FileLock(ServingFiles.of(home).lock).holder()}). Its log: {log}"
        ]
    if server_status.is_supervised(home):
        if told is None or not told.next:
            return [f"server: starting. Its log: {log}"]
        return [
            f"server: down since {told.last} ({told.why}). It was started again {_times(told.count)} and will be at "
            f"{told.next}; `forebay serve` does it now, `forebay stop` ends it. Its log: {log}"
        ]
    lines = ["server: not running. `forebay serve` brings the champions up again (after a reboot, too)."]
    if told is not None and told.given_up:
        lines.append(f"  given up at {told.last}: {told.why} Its log: {log}")
    elif told is not None:
        lines.append(f"  its supervisor (process {told.pid}) was killed, and the server ended with it. Its log: {log}")
    return lines


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
