"""What the images of a model are brought to, and what tells its bundle from every other one; nothing heavy."""

from pathlib import Path

from forebay.contracts.bundles.spec import read_spec
from forebay.contracts.decoded_images import ImageFormat
from forebay.serving.state import DesiredModel


def bundle_identity(desired: DesiredModel) -> str:
    """The sha256 over the files of a bundle, or over its weights where that is all that is known."""
    return desired.digest or desired.weights_sha256


def bundle_format(folder: Path) -> ImageFormat:
    """What the images of a bundle's model are brought to.

    Raises:
        ModelError: the folder is no bundle.
    """
    spec = read_spec(folder)
    return ImageFormat(height=spec.height, width=spec.width, channels=spec.channels, fit=spec.fit, bits=spec.bits)
