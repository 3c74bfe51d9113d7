"""fetch_model: the bundle of a registered model, for a batch."""

from kfp import dsl
from kfp.dsl import Model, Output

from forebay import container_images


@dsl.component(base_image=container_images.PIPELINE, install_kfp_package=False)
def fetch_model(reference: str, run_id: str, model: Output[Model]) -> str:
    """Bring a registered model and the format of its images; see `forebay.serving.batch.fetch_model`."""
    from forebay.state import step

    with step("fetch-model", run_id) as log:
        from pathlib import Path

        from forebay.select_backend import step_backend
        from forebay.serving.batch.fetch_model import fetch_model as fetch

        image_format = fetch(Path(model.path), reference, log, step_backend(log).registered_bundle)
    return image_format
