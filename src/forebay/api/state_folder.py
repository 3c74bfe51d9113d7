"""The state folder of a call from Python."""

import contextlib
import importlib
import os
import stat
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from forebay.api.explain import explained
from forebay.state import Home
from forebay.state.file_modes import private_files

OTHERS = stat.S_IRWXG | stat.S_IRWXO
PathLike = str | os.PathLike[str]


@contextlib.contextmanager
def state_folder(home: PathLike | None, *, writing: bool = False) -> Iterator[Home]:
    """Open a state folder for the block, whose errors become errors of ours.

    The caller's umask stays as it is where the folder keeps others out by itself, as those that we make do. Where one
    was made with other modes, new files are the user's own for as long as the block takes.

    Args:
        home: None for the one of `FOREBAY_HOME` or of the working folder, as the commands find it.
        writing: whether the block writes there.

    Raises:
        ConfigError: it cannot be used.
    """
    _keep_progress_bars_quiet()
    found = Home.find() if home is None else Home(Path(home).expanduser().absolute())
    with explained():
        found.open(writing=writing)
        with private_files() if found.root.stat().st_mode & OTHERS else contextlib.nullcontext():
            yield found


def _keep_progress_bars_quiet() -> None:
    """In a notebook, import tqdm before MLflow or timm do: it warns of missing widgets, and shows nothing of ours."""
    if "ipykernel" in sys.modules and "tqdm.auto" not in sys.modules:
        with contextlib.suppress(ImportError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module("tqdm.auto")
