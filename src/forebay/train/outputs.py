"""What the train step writes: the bundle, the training curves and a few example rows."""

from dataclasses import asdict
from pathlib import Path

from forebay.contracts.bundles.examples import example_rows, write_examples
from forebay.contracts.bundles.spec import HISTORY, ModelSpec
from forebay.models import save_bundle
from forebay.models.architectures import library_version
from forebay.state import seal, write_json
from forebay.train.loop.training_state import TrainingState
from forebay.train.plan.training_plan import TrainingPlan


def write_outputs(plan: TrainingPlan, state: TrainingState, mlflow_run_id: str | None, out: Path) -> ModelSpec:
    """Write the bundle of a finished training and seal its folder."""
    data = plan.data
    spec = ModelSpec(
        library=plan.settings.library, library_version=library_version(plan.settings.library),
        architecture=plan.settings.model,
        options=plan.settings.options,
        classes=data.classes, height=data.height, width=data.width, channels=data.channels,
        mean=data.mean, std=data.std,
        weights_sha256="",  # filled in by save_bundle
        fit=data.fit, bits=data.bits,
        training=plan.training_facts,
        data=data.data_facts,
        lineage={"code_version": plan.code_version, "mlflow_run_id": mlflow_run_id},
    )  # fmt: skip
    spec = save_bundle(out, spec, state.final_weights())
    write_json(out / HISTORY, [asdict(record) for record in state.history])
    rows = example_rows(data.height, data.width, data.channels)
    write_examples(out, plan.open_split("test").images_NHWC(0, rows))
    seal(out)
    return spec
