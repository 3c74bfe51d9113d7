"""register: one MLflow model version per bundle."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model

from forebay import container_images


@dsl.component(base_image=container_images.PIPELINE, install_kfp_package=False)
def register(
    shards: Input[Dataset],
    bundle: Input[Model],
    evaluation: Input[Artifact],
    run_id: str,
    example_rows: int,
) -> str:
    """Register the bundle as a model version; see `forebay.register`."""
    from forebay.state import step

    with step("register", run_id) as log:
        from pathlib import Path

        from forebay.register import register as add_version
        from forebay.settings import RegisterConfig

        config = RegisterConfig(example_rows=example_rows)
        version = add_version(Path(shards.path), Path(bundle.path), Path(evaluation.path), config, log)
    return version
