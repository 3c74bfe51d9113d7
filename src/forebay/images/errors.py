"""Why an image gives no pixels."""


class ImageError(Exception):
    """An image cannot be used; `reason` is a word of `contracts.rows.REASONS`, `detail` says what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str]]:
        return ImageError, (self.reason, self.detail)  # the default would pass the joined message as `reason`


def too_costly(detail: str) -> ImageError:
    """The image would take more work than its pixels are worth; `detail` says what was found and what is allowed."""
    return ImageError("too_costly", detail)


class AskerGoneError(Exception):
    """Nobody waits for the pixels any more."""
