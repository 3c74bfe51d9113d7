"""One command of a plan."""

import shlex
from dataclasses import dataclass

APPLY_TIMEOUT_S = 600  # webhooks that were just installed may take this long to answer
ROLLOUT_TIMEOUT_S = 900  # container images of some gigabytes may come through a slow line


@dataclass(frozen=True, kw_only=True)
class PlannedCommand:
    """One command, its title for people, and how it is waited for."""

    title: str
    command: tuple[str, ...]
    waits_for: str = ""  # what it waits for before it ends; empty where it ends as soon as its work is done
    retried_while_starting: bool = False  # a webhook or a kind that it needs may just be starting
    diagnosis: tuple[str, ...] = ()  # a reading command that shows what is wrong when it fails

    def shell_line(self) -> str:
        """The command as a line for a shell."""
        return shlex.join(self.command)
