"""A bundle as an MLflow model: files that `mlflow.pyfunc` and `mlflow models serve` take, without a pickle."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.contracts.bundles.spec import ModelSpec
from forebay.models.graph.limits import EXTRA as GRAPH_EXTRA
from forebay.settings.model_names import ONNX, TIMM
from forebay.version import VERSION

if TYPE_CHECKING:
    import numpy as np
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from numpy.typing import NDArray

LOADER = "forebay.register.pyfunc"
EXTRAS = {ONNX: GRAPH_EXTRA, TIMM: TIMM}  # the extra of the wheel that a network of a library needs


def log_model(
    client: "MlflowClient",
    run: "Run",
    folder: Path,
    spec: ModelSpec,
    example_NHWC: "NDArray[np.uint8]",
    tags: dict[str, str],
) -> str:
    """Log a bundle as a model of a run.

    `mlflow.pyfunc.log_model` would load it once more, with torch, only to warn where the example gets no answer.

    Args:
        folder: the bundle's files.
        example_NHWC: uint8 images that become the model's input example.
        tags: of the model.

    Returns:
        The id of the logged model.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    run_id = run.info.run_id
    made = client.create_logged_model(
        run.info.experiment_id, name=spec.architecture, source_run_id=run_id, tags=tags, model_type=spec.task
    )
    status = LoggedModelStatus.FAILED
    try:
        with tempfile.TemporaryDirectory(prefix="forebay-") as temporary:
            files = Path(temporary) / "model"
            _save(files, folder, spec, example_NHWC, run_id=run_id, made=made)
            client.log_model_artifacts(made.model_id, str(files))
        status = LoggedModelStatus.READY
    finally:
        client.finalize_logged_model(made.model_id, status)
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
    return str(made.model_id)


def pip_requirements(spec: ModelSpec) -> list[str]:
    """What an environment needs to load a bundle, beside MLflow itself."""
    extras = sorted({EXTRAS[network.library] for network in spec.networks if network.library in EXTRAS})
    return [f"forebay[{','.join(extras)}]=={VERSION}" if extras else f"forebay=={VERSION}"]


def _save(
    files: Path, folder: Path, spec: ModelSpec, example_NHWC: "NDArray[np.uint8]", *, run_id: str, made: Any
) -> None:
    import mlflow
    from mlflow.models import Model

    mlflow.pyfunc.save_model(
        str(files),
        loader_module=LOADER,
        data_path=str(folder),
        mlflow_model=Model(
            artifact_path=made.artifact_location, model_uuid=made.model_id, model_id=made.model_id, run_id=run_id
        ),
        signature=_signature(spec),
        input_example=example_NHWC,
        pip_requirements=pip_requirements(spec),  # given, because MLflow would load the model to guess them
    )


def _signature(spec: ModelSpec) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    pixels = TensorSpec(np.dtype(np.uint8), (-1, spec.height, spec.width, spec.channels))
    probabilities = TensorSpec(np.dtype(np.float32), (-1, len(spec.classes)))
    return ModelSignature(inputs=Schema([pixels]), outputs=Schema([probabilities]))
