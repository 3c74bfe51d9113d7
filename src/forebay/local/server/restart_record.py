"""What the supervisor of a server writes about its restarts: `<home>/serving/supervisor.json`.

The file exists while a supervisor runs, and stays where the supervisor was killed or gave the server up.
"""

from dataclasses import asdict, dataclass

from forebay.serving.state import ServingFiles
from forebay.state import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class RestartRecord:
    """The restarts of a server under its supervisor. Times are ISO 8601, UTC."""

    pid: int  # process of the supervisor
    count: int = 0  # number of times that the server was started again
    unanswered: int = 0  # number of its last lives that ended before it answered
    last: str = ""  # time of its last end; empty where it never ended
    why: str = ""  # reason of that end: the signal or exit code, and its last words
    next: str = ""  # time of its next start; empty while it runs
    given_up: bool = False  # another start would end in the same way


_TYPICAL = asdict(RestartRecord(pid=0))


def write_restart_record(files: ServingFiles, restarts: RestartRecord) -> None:
    """Replace the record."""
    write_json(files.supervisor, asdict(restarts))


def read_restart_record(files: ServingFiles) -> RestartRecord | None:
    """The record of the present supervisor, or of one that was killed or gave up; None where there is none.

    A damaged record counts as none: the supervisor writes it anew at the next end of the server.
    """
    try:
        found = RestartRecord(**read_json(files.supervisor))
    except (OSError, ValueError, TypeError):
        return None
    return found if all(type(value) is type(_TYPICAL[key]) for key, value in asdict(found).items()) else None
