"""What a check returns, and how a failed one becomes an error."""

from dataclasses import dataclass

from forebay.errors import ForebayError, MachineError

REINSTALL = (
    "Install again what constraints.txt of this version holds: `make setup` in a checkout; for a wheel, docs/supply.md."
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str  # what was found, in one sentence without its full stop
    fix: str = ""  # what mends it; empty when nothing needs mending


def passed(name: str, detail: str) -> Check:
    """A check that found what it wants."""
    return Check(name=name, ok=True, detail=detail)


def failed(name: str, detail: str, fix: str) -> Check:
    """A check that found something wrong, and what mends it."""
    return Check(name=name, ok=False, detail=detail, fix=fix)


def explained(name: str, error: ForebayError) -> Check:
    """A check whose probe raised one of our errors, which say the fix themselves."""
    return Check(name=name, ok=False, detail=str(error))


def require(check: Check) -> None:
    """Do nothing when the check passed.

    Raises:
        MachineError: it did not.
    """
    if not check.ok:
        raise MachineError(f"{check.detail}. {check.fix}")
