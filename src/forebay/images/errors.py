"""Why an image gives no pixels."""


class UnusableImageError(Exception):
    """An image cannot be used; `reason` is a word of `contracts.rows.REASONS`, `detail` says what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["UnusableImageError"], tuple[str, str]]:
        return UnusableImageError, (self.reason, self.detail)  # the default would pass the joined message as `reason`


def too_costly(detail: str) -> UnusableImageError:
    """The image would take more work than its pixels are worth; `detail` says what was found and what is allowed."""
    return UnusableImageError("too_costly", detail)


class DecodingCancelledError(Exception):
    """Nobody waits for the pixels any more."""
