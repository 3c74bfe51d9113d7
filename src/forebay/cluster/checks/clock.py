"""Whether two clocks agree: S3 refuses signatures, and API servers tokens, of another time."""

from datetime import UTC, datetime

from forebay.backend.check import CheckResult, failed, passed

TOLERANCE_S = 60.0
FIX = "Set the clock that is wrong by NTP: `timedatectl set-ntp true` on that machine."


def agreement(name: str, whose: str, now: datetime, server: datetime | None) -> CheckResult:
    """A clock goes as the API server's does.

    Args:
        name: of the check.
        whose: clock it is, such as `this machine`.
        now: what it shows.
        server: what the API server's showed then; None where that was not told.
    """
    if server is None:
        return passed(name, "not known: the API server's answers carry no Date")
    away_s = (now.astimezone(UTC) - server).total_seconds()
    if abs(away_s) < TOLERANCE_S:
        return passed(name, f"{whose} and the API server agree to within {max(1.0, abs(away_s)):.0f} s")
    order = "ahead of" if away_s > 0 else "behind"
    detail = f"{whose} shows {now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {abs(away_s):.0f} s {order} the API server"
    return failed(name, f"{detail}; signatures of S3 and tokens are refused by then", FIX)
