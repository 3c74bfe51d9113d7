"""What the decode step hands on: images in the size of a model, without labels, as Parquet files."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from forebay.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

DECODED = "decoded"  # folder with a file per part


@dataclass(frozen=True, kw_only=True)
class ImageFormat:
    """What images are brought to: the size, channels and rules that a model's bundle records."""

    height: int
    width: int
    channels: int
    fit: str
    bits: int

    @classmethod
    def parse(cls, text: str) -> "ImageFormat":
        """Read what `text` wrote.

        Raises:
            ConfigError: it is something else.
        """
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            raise ConfigError(f"The format of images must be what fetch_model gives, got {text!r}.") from None

    @property
    def text(self) -> str:
        """The format as text, for a parameter of a pipeline; equal formats give equal texts."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def image_bytes(self) -> int:
        """The size of one image."""
        return self.height * self.width * self.channels


def decoded_name(part: int) -> str:
    """Name of the file of a part; the parts in their order hold the images in theirs."""
    return f"{DECODED}/part-{part:05d}.parquet"


def decoded_schema() -> "pa.Schema":
    """The columns of a part."""
    import pyarrow as pa  # the format alone is asked for by processes that do without

    return pa.schema(
        [
            pa.field("source", pa.string(), nullable=False),
            pa.field("reason", pa.string()),  # null where the image is usable
            pa.field("detail", pa.string()),
            pa.field("sha256", pa.string()),  # of the image file; of raw pixels it is `pixel_digest`
            pa.field("pixels", pa.binary()),  # uint8 H x W x C in the size of the model; null where it is not usable
            pa.field("height", pa.int32()),  # of the image before it was brought to that size
            pa.field("width", pa.int32()),
            pa.field("has_colours", pa.bool_()),
        ]
    )
