"""The preprocess step: it splits rows by content, computes statistics, and writes memory-mappable shards."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.holdout import HASH, split_exceptions
from forebay.contracts.manifest import DataManifest, SplitManifest
from forebay.contracts.shards import SPLITS
from forebay.contracts.training_images import source_facts
from forebay.preprocess.row_table import read_images, read_keys
from forebay.preprocess.split import (
    TEST,
    TRAIN,
    RowKeys,
    assign_splits,
    check_splits,
    choose_split_kind,
    count_class_rows,
    order_rows,
)
from forebay.preprocess.split_warnings import split_warnings
from forebay.preprocess.split_writer import SplitWriter
from forebay.preprocess.statistics import LEVELS, channel_histogram, constant_channels, mean_and_std
from forebay.settings import PreprocessConfig
from forebay.state import StepLog, empty_folder, seal


def preprocess(dataset: Path, out: Path, config: PreprocessConfig, log: StepLog) -> SplitManifest:
    """Split ingest's rows and lay them out for training.

    The split depends on the images' content only, never on a seed or an order. So equal images share a split, and it
    stays known which rows a model never saw, also in later data: those below `holdout`, except as the manifest lists.

    Args:
        dataset: ingest's output folder.
        out: is emptied first, so that a killed try leaves no trace; `contracts.shards` describes its files.

    Raises:
        DataError: the table is broken, a class has no training rows, or there are no test rows.
    """
    data = DataManifest.read(dataset)
    keys = read_keys(dataset, data)
    kind = choose_split_kind(keys.source_split, config.split, data.source)
    splits = assign_splits(keys, kind=kind, holdout=config.holdout, validation=config.validation)
    check_splits(keys, splits, data.classes, data.source, kind)
    moved = split_exceptions(keys.sha256, splits == TEST, config.holdout) if kind == HASH else {}
    empty_folder(out)
    rows = [order_rows(keys, splits, split) for split in range(len(SPLITS))]
    shape = (data.height, data.width, data.channels)
    writers = [SplitWriter(out, name, rows[split], keys, shape, config.shard_rows) for split, name in enumerate(SPLITS)]
    histogram = _fill(writers, dataset, data, log)
    mean, std = mean_and_std(histogram)
    warnings = split_warnings(data.classes, keys.labels, splits, kind, moved, constant_channels(histogram), config)
    for text in warnings:
        log.warn(text)
    train_counts = count_class_rows(keys.labels, splits, TRAIN, len(data.classes)).tolist()
    manifest = SplitManifest(
        name=data.name, source=data.source, kind=data.kind, data_digest=data.digest,
        digest=_digest(data, keys, rows, mean, std),
        classes=data.classes, height=data.height, width=data.width, channels=data.channels,
        rows=sum(map(len, rows)), quarantined=data.quarantined,
        splits={name: len(rows[split]) for split, name in enumerate(SPLITS)},
        shards={name: writers[split].names for split, name in enumerate(SPLITS)},
        train_class_rows=dict(zip(data.classes, train_counts, strict=True)),
        mean=mean, std=std, split_kind=kind, holdout=config.holdout, validation=config.validation, exceptions=moved,
        warnings=warnings, sources={SPLITS[TEST]: writers[TEST].save_sources()}, **_preparation(data),
    )  # fmt: skip
    manifest.write(out)
    seal(out)
    log.result(rows=manifest.rows, splits=manifest.splits, split_kind=kind, digest=manifest.digest)
    return manifest


def _preparation(data: DataManifest) -> dict[str, Any]:
    """How ingest prepared image files; older manifests do not record it, and the defaults apply."""
    found = data.settings
    sources = source_facts(data.sizes, data.height, data.width, data.colours)
    return (
        {"source_facts": sources}
        | ({"fit": found["fit"]} if "fit" in found else {})
        | ({"bits": int(found["bits"])} if "bits" in found else {})
    )


def _fill(writers: list[SplitWriter], dataset: Path, data: DataManifest, log: StepLog) -> NDArray[np.int64]:
    """Write every image into its shard; returns the histogram of the training images, C x 256."""
    histogram = np.zeros((data.channels, LEVELS), np.int64)
    done = 0
    for images_NHWC, sources in read_images(dataset, data):
        written = [writer.put(done, images_NHWC) for writer in writers]
        histogram += channel_histogram(written[TRAIN])
        writers[TEST].put_sources(done, sources)
        done += len(images_NHWC)
        log.progress(done, data.rows, "rows")
    return histogram


def _digest(
    data: DataManifest, keys: RowKeys, rows: list[NDArray[np.int64]], mean: list[float], std: list[float]
) -> str:
    """A digest of what training and evaluation will see, whatever the number of shards.

    The images enter by their digests, which were checked against the pixels while writing.
    """
    digest = hashlib.sha256()
    facts = [data.classes, data.height, data.width, data.channels, mean, std, [len(index) for index in rows]]
    digest.update(json.dumps(facts).encode())
    for index in rows:
        digest.update(keys.sha256[index].tobytes() + keys.labels[index].astype("<i8").tobytes())
    return digest.hexdigest()
