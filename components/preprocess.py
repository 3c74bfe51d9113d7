"""preprocess: split, statistics and memory-mappable shards."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from forebay import container_images


@dsl.component(base_image=container_images.TRAIN, install_kfp_package=False)
def preprocess(
    rows: Input[Dataset],
    code_version: str,
    split: str,
    holdout: float,
    validation: float,
    shard_rows: int,
    shards: Output[Dataset],
) -> None:
    """Split the rows by content and lay them out for training; see `forebay.preprocess`."""
    from forebay.state import step

    with step("preprocess") as log:
        from pathlib import Path

        from forebay.preprocess import preprocess as split_rows
        from forebay.settings import PreprocessConfig

        config = PreprocessConfig(
            code_version=code_version, split=split, holdout=holdout, validation=validation, shard_rows=shard_rows
        )
        manifest = split_rows(Path(rows.path), Path(shards.path), config, log)
        shards.metadata.update(digest=manifest.digest, **manifest.splits)
