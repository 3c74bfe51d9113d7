"""`import timm`, which is an extra of the package and needs torchvision to be imported in our way first."""

from types import ModuleType

from forebay.errors import ModelError
from forebay.models.torchvision_import import import_torchvision


def import_timm() -> ModuleType:
    """Import timm.

    Raises:
        ModelError: it is not installed.
    """
    import_torchvision()
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise ModelError("timm is not installed. Install it with pip install 'forebay[timm]'.") from error
    return timm
