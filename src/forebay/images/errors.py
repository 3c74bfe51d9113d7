"""Why an image gives no pixels."""

from forebay.errors import ForebayError


class UnusableImageError(ForebayError):
    """An image cannot be used. `reason` is one of `rows.QUARANTINE_REASONS`; `detail` states what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["UnusableImageError"], tuple[str, str]]:
        return UnusableImageError, (self.reason, self.detail)  # the default would pass the joined message as `reason`


def too_costly(detail: str) -> UnusableImageError:
    """The error for an image that takes more work than its pixels are worth.

    Args:
        detail: what was found, and what is allowed.
    """
    return UnusableImageError("too_costly", detail)


class DecodingCancelledError(ForebayError):
    """Nobody waits for the pixels any more, so decoding stopped."""
