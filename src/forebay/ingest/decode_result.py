"""What came of decoding a source without labels; plain values, which the step and its pods exchange."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class DecodeResult:
    """The decoded images of a source."""

    images: int  # number of images in the source, including those that cannot be used
    notes: list[str] = field(default_factory=list)  # what a person should know about how it was read
    digests: dict[str, str] = field(default_factory=dict)  # sha256 of each file by name; empty where none is fetched
