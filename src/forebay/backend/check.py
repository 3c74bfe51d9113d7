"""The result of a check, and how a failed one becomes an error."""

from dataclasses import dataclass

from forebay.errors import ForebayError, MachineError

REINSTALL = (
    "Install the packages that this version's constraints.txt lists: `make setup` in a checkout; for a wheel, see "
    "docs/supply.md."
)


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What one check found."""

    name: str
    ok: bool
    detail: str  # one sentence without its full stop
    fix: str = ""  # what repairs it; empty where nothing is wrong, or where `detail` says it


def passed(name: str, detail: str) -> CheckResult:
    """The result of a check that found nothing wrong."""
    return CheckResult(name=name, ok=True, detail=detail)


def failed(name: str, detail: str, fix: str) -> CheckResult:
    """The result of a check that found something wrong, with what repairs it."""
    return CheckResult(name=name, ok=False, detail=detail, fix=fix)


def failed_with(name: str, error: ForebayError) -> CheckResult:
    """The result of a check that raised one of our errors; its message says the fix."""
    return CheckResult(name=name, ok=False, detail=str(error))


def require_passed(result: CheckResult) -> None:
    """Raise the result of a failed check as an error.

    Raises:
        MachineError: the check failed.
    """
    if not result.ok:
        raise MachineError(f"{result.detail}. {result.fix}")
