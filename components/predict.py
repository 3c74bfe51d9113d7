"""predict: the answers of a model for decoded images."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from forebay import container_images


@dsl.component(base_image=container_images.TRAIN, install_kfp_package=False)
def predict(
    images: Input[Dataset],
    model: Input[Model],
    run_id: str,
    top: int,
    probabilities: bool,
    out: str,
    predictions: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Predict every image and write one table; see `forebay.serving.batch.step`."""
    from forebay.state import step

    with step("predict", run_id) as log:
        from pathlib import Path

        from forebay.serving.batch.fetch_model import fetched_model
        from forebay.serving.batch.step import predict_decoded
        from forebay.settings import BatchConfig
        from forebay.state import write_json

        name, _ = fetched_model(Path(model.path))
        config = BatchConfig(model=name, top=top, probabilities=probabilities, out=out)
        result = predict_decoded(Path(images.path), Path(model.path), Path(predictions.path), config, log)
        counts = {"images": result.images, "rows": result.rows}
        metrics.metadata.update(counts)
        write_json(Path(metrics.path), counts)
