"""ingest: images of any supported source to one Parquet table."""

from kfp import dsl
from kfp.dsl import Dataset, Output

from forebay import container_images


@dsl.component(base_image=container_images.SPARK, install_kfp_package=False)
def ingest(
    data: str,
    source_code: str,
    fingerprint: str,
    code_version: str,
    labels: str,
    class_level: str,
    image_column: str,
    label_column: str,
    size: str,
    max_side: int,
    fit: str,
    on_size: str,
    channels: str,
    bits: str,
    max_quarantine: float,
    min_class_rows: int,
    max_pixels: int,
    max_file_bytes: int,
    executors: int,
    executor_memory: str,
    rows: Output[Dataset],
) -> None:
    """Read images with Spark into one documented Parquet table; see `forebay.ingest`."""
    from forebay.state import step

    with step("ingest") as log:
        from pathlib import Path

        from forebay.ingest import ingest as read
        from forebay.select_backend import step_backend
        from forebay.settings import IngestConfig

        config = IngestConfig(
            data=data,
            source_code=source_code,
            fingerprint=fingerprint,
            code_version=code_version,
            labels=labels,
            class_level=class_level,
            image_column=image_column,
            label_column=label_column,
            size=size,
            max_side=max_side,
            fit=fit,
            on_size=on_size,
            channels=channels,
            bits=bits,
            max_quarantine=max_quarantine,
            min_class_rows=min_class_rows,
            max_pixels=max_pixels,
            max_file_bytes=max_file_bytes,
            executors=executors,
            executor_memory=executor_memory,
        )
        manifest = read(Path(rows.path), config, log, step_backend(log).ingest_executor)
        rows.metadata.update(rows=manifest.rows, classes=len(manifest.classes), digest=manifest.digest)
