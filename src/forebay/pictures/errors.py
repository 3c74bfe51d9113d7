"""Why a picture gives no pixels."""


class PictureError(Exception):
    """A picture cannot be used; `reason` is a word of `contracts.rows.REASONS`, `detail` says what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["PictureError"], tuple[str, str]]:
        return PictureError, (self.reason, self.detail)  # the default would pass the joined message as `reason`


def too_costly(detail: str) -> PictureError:
    """The picture would take more work than its pixels are worth; `detail` says what was found and what is allowed."""
    return PictureError("too_costly", detail)


class AskerGoneError(Exception):
    """Nobody waits for the pixels any more."""
