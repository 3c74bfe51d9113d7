"""What a person should know of how a source was read; it becomes a warning of the dataset."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceNote:
    """One such sentence."""

    text: str
    set_aside: int = 0  # images of which it says that they are unlabelled because they are meant to be
