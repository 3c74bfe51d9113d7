"""The bundle to register: where there is a signing key, a copy of train's folder that holds the signature too."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forebay.contracts.bundles.spec import SIGNATURE
from forebay.signing import SigningKey, load_library, read_signing_key, sign

COPY_PREFIX = ".register-"  # how its folders in the state folder begin


def load_usable_key() -> SigningKey | None:
    """Load the signing key and the library that signs; None where nothing is to be signed.

    Raises:
        ConfigError: the key cannot be used.
        MachineError: model-signing is not installed.
    """
    key = read_signing_key()
    if key is not None:
        load_library()
    return key


@contextmanager
def bundle_to_register(model: Path, key: SigningKey | None, scratch: Path) -> Iterator[Path]:
    """The folder to register: the bundle itself or a signed copy. Train's folder is not changed.

    Args:
        model: the bundle.
        key: signs it; None leaves it as it is.
        scratch: where the copy lies meanwhile; on the bundle's file system it takes no space.

    Raises:
        ModelError: the bundle holds what cannot be signed.
    """
    if key is None:
        yield model
        return
    for leftover in scratch.glob(f"{COPY_PREFIX}*"):  # a register that was killed left it
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=COPY_PREFIX, dir=scratch) as folder:
        copy = Path(folder) / model.name
        ignored = shutil.ignore_patterns(SIGNATURE)
        shutil.copytree(model, copy, symlinks=True, ignore=ignored, copy_function=_link)
        sign(copy, key)
        yield copy


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target, follow_symlinks=False)
