"""What `forebay status` says of this machine: the newest run of the state folder, and its server."""

from collections.abc import Callable
from typing import TypeVar

from forebay.backend.protocol import BackendStatus
from forebay.errors import DamagedFileError
from forebay.local.runs.history import NO_RUN, load_summaries
from forebay.local.server import server_status, status_text
from forebay.state import Home

Result = TypeVar("Result")


def local_status(home: Home) -> BackendStatus:
    """Look at the state folder; a damaged file is a problem, and hides nothing else."""
    problems: list[str] = []
    summary = next(iter(load_summaries(home, problems.append, most=1)), None)
    server = _or_none(lambda: server_status.running_server(home), problems)
    models = _or_none(lambda: server_status.desired_models(home), problems) or {}
    first = () if summary else (f"No run yet in {home.root}. Start with `forebay run`.",)
    return BackendStatus(
        facts={
            **NO_RUN,
            **(summary or {}),
            "server": status_text.server_facts(home, server, models),
            "restarts": status_text.restart_facts(home, server),
            "problems": problems,
        },
        run=summary,
        lines=(*first, *status_text.server_lines(home, server, models)),
        problems=tuple(problems),
    )


def _or_none(read: Callable[[], Result], problems: list[str]) -> Result | None:
    try:
        return read()
    except DamagedFileError as error:
        problems.append(str(error))
        return None
