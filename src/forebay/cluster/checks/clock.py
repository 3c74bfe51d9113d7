"""Whether two clocks agree: S3 refuses signatures, and API servers tokens, of another time."""

from datetime import UTC, datetime

from forebay.backend.check import CheckResult, failed, passed

TOLERANCE_S = 60.0
CLOCK_FIX = "Set the clock that is wrong by NTP: `timedatectl set-ntp true` on that machine."


def compare_clocks(name: str, whose: str, now: datetime, server: datetime | None) -> CheckResult:
    """Check that a clock agrees with the API server's.

    Args:
        name: the check's name.
        whose: who has the clock, such as `this machine`.
        now: the time that it shows.
        server: the time of the API server at that moment; None where it is unknown.
    """
    if server is None:
        return passed(name, "unknown: the API server's answers carry no Date")
    difference_s = (now.astimezone(UTC) - server).total_seconds()
    if abs(difference_s) < TOLERANCE_S:
        return passed(name, f"{whose} and the API server agree to within {max(1.0, abs(difference_s)):.0f} s")
    order = "ahead of" if difference_s > 0 else "behind"
    detail = (
        f"{whose} shows {now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {abs(difference_s):.0f} s {order} the API server"
    )
    return failed(name, f"{detail}; S3 refuses signatures and the API server tokens of another time", CLOCK_FIX)
