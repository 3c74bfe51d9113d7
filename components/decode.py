"""decode: images without labels, brought to the size of a model."""

from kfp import dsl
from kfp.dsl import Dataset, Output

from forebay import container_images


@dsl.component(base_image=container_images.SPARK, install_kfp_package=False)
def decode(
    data: str,
    fingerprint: str,
    code_version: str,
    image_format: str,
    image_column: str,
    max_file_bytes: int,
    executors: int,
    executor_memory: str,
    images: Output[Dataset],
) -> None:
    """Decode images with Spark exactly as the server does; see `forebay.ingest.unlabelled.step`."""
    from forebay.state import step

    with step("decode") as log:
        from pathlib import Path

        from forebay.ingest.unlabelled.step import decode_source
        from forebay.select_backend import step_backend
        from forebay.settings import IngestConfig

        config = IngestConfig(
            data=data,
            fingerprint=fingerprint,
            code_version=code_version,
            image_column=image_column,
            max_file_bytes=max_file_bytes,
            executors=executors,
            executor_memory=executor_memory,
        )
        result = decode_source(Path(images.path), config, image_format, log, step_backend(log).ingest_executor)
        images.metadata.update(images=result.images)
