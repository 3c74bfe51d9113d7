"""What the supervisor of a server tells about its restarts: `<home>/serving/supervisor.json`.

It is there while a supervisor runs, and stays behind where the supervisor was killed or gave the server up.
"""

from dataclasses import asdict, dataclass

from forebay.serving.state import ServingFiles
from forebay.state import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Restarts:
    """How a server fared under its supervisor. Times are ISO 8601, UTC."""

    pid: int  # of the supervisor
    count: int = 0  # times that the server was started again
    unanswered: int = 0  # how many of its last lives ended before it answered
    last: str = ""  # when it died last; empty where it never did
    why: str = ""  # it did: the signal or exit code, and its last words
    next: str = ""  # when it is started again; empty while it runs
    given_up: bool = False  # another start would end in the same way


_OF_TYPES = asdict(Restarts(pid=0))


def write(files: ServingFiles, restarts: Restarts) -> None:
    """Replace the record."""
    write_json(files.supervisor, asdict(restarts))


def read(files: ServingFiles) -> Restarts | None:
    """The record of the present supervisor, or of one that was killed or gave up; None where there is none to read.

    A damaged one is none: the supervisor writes it anew at the next end of the server.
    """
    try:
        found = Restarts(**read_json(files.supervisor))
    except (OSError, ValueError, TypeError):
        return None
    return found if all(type(value) is type(_OF_TYPES[key]) for key, value in asdict(found).items()) else None
