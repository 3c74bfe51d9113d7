"""`forebay.load_model`: a trained model for this process."""

import os
from pathlib import Path

from forebay.api.model import Model
from forebay.api.state_folder import PathLike, state_folder

UNREGISTERED = "0"  # the version by which the server calls a bundle that no registry knows


def load_model(reference: PathLike, *, home: PathLike | None = None) -> Model:
    """Load a trained model into this process; its files are checked as the server checks them.

    Args:
        reference: `NAME@champion`, `NAME/3`, `NAME` for the champion, or the folder of a bundle.
        home: the state folder whose registry is asked; without it, `FOREBAY_HOME`, else `.forebay` in the working
            folder.

    Raises:
        ConfigError: the reference names nothing.
        ModelError: a file of the bundle is not the one that was registered, it is not signed as
            `FOREBAY_VERIFY_KEY` requires, or it cannot be loaded.
        MachineError: it is a graph, and the extra `onnx` is not installed.
    """
    from forebay.contracts.bundles.spec import SPEC
    from forebay.local.checks.mlflow_login import check_mlflow_login
    from forebay.local.server.champions import resolve_reference
    from forebay.serving.repository.load_bundle import load_for_serving

    with state_folder(home) as place:
        text = os.fspath(reference)
        if not (Path(text) / SPEC).is_file():
            check_mlflow_login(place)
        name, desired = resolve_reference(place, text)
        classifier = load_for_serving(desired)
    version = "" if desired.version == UNREGISTERED else desired.version
    return Model(classifier, name=name, version=version, folder=Path(desired.bundle))
