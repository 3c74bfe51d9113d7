"""OpenSSF model-signing, which the extra `signing` installs."""

import importlib.util
from typing import Any

from forebay.errors import MachineError

EXTRA = "pip install 'forebay[signing]'"


def require_library() -> None:
    """Check within milliseconds that model-signing can be loaded.

    Raises:
        MachineError: it, or a library that it needs, is not installed.
    """
    missing = [name for name in ("model_signing", "OpenSSL") if not _is_installed(name)]
    if missing:
        raise _not_installed(f"no module named {missing[0]}")


def load_library() -> Any:
    """Import model-signing; that takes a second.

    Raises:
        MachineError: it is not installed.
    """
    try:
        import model_signing
    except ImportError as error:
        raise _not_installed(str(error)) from error
    return model_signing


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # something hides it
        return False


def _not_installed(what: str) -> MachineError:
    return MachineError(f"Signatures need a library that is not installed ({what}). Install it: `{EXTRA}`.")
