"""The preprocess step: split by content, statistics of the training rows, memory-mappable shards."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.class_names import class_list
from forebay.contracts.holdout import HASH, HELD_OUT, TRAINED, exceptions
from forebay.contracts.manifest import DataManifest, SplitManifest
from forebay.contracts.shards import SPLITS
from forebay.preprocess.split import (
    DROPPED,
    TEST,
    TRAIN,
    VALIDATION,
    RowKeys,
    assign,
    check_splits,
    choose_kind,
    class_rows,
    order,
)
from forebay.preprocess.statistics import LEVELS, channel_histogram, constant_channels, mean_and_std
from forebay.preprocess.table import read_images, read_keys
from forebay.preprocess.write import SplitWriter
from forebay.settings import PreprocessConfig
from forebay.state import StepLog, empty_folder, seal


def preprocess(dataset: Path, out: Path, config: PreprocessConfig, log: StepLog) -> SplitManifest:
    """Split ingest's rows and lay them out for training.

    The split depends on the images' content only, never on a seed or an order, so equal images share a split, and
    which rows a model never saw is known later, on more data: those below `holdout`, save the manifest's exceptions.

    Args:
        dataset: ingest's output folder.
        out: emptied first, so a killed try leaves no trace; see `contracts.shards` for what lies in it.

    Raises:
        DataError: the table is broken, a class has no training rows, or there are no test rows.
    """
    data = DataManifest.read(dataset)
    keys = read_keys(dataset, data)
    kind = choose_kind(keys.source_split, config.split, data.source)
    splits = assign(keys, kind=kind, holdout=config.holdout, validation=config.validation)
    check_splits(keys, splits, data.classes, data.source, kind)
    moved = exceptions(keys.sha256, splits == TEST, config.holdout) if kind == HASH else {}
    empty_folder(out)
    rows = [order(keys, splits, split) for split in range(len(SPLITS))]
    shape = (data.height, data.width, data.channels)
    writers = [SplitWriter(out, name, rows[split], keys, shape, config.shard_rows) for split, name in enumerate(SPLITS)]
    histogram = _fill(writers, dataset, data, log)
    mean, std = mean_and_std(histogram)
    test_rows = class_rows(keys.labels, splits, TEST, len(data.classes))
    warnings = [
        *_class_warnings([data.classes[label] for label in np.flatnonzero(test_rows == 0)], kind, moved, config),
        *_warnings(splits, constant_channels(histogram), config),
    ]
    for text in warnings:
        log.warn(text)
    train_counts = class_rows(keys.labels, splits, TRAIN, len(data.classes)).tolist()
    manifest = SplitManifest(
        name=data.name, source=data.source, kind=data.kind, data_digest=data.digest,
        digest=_digest(data, keys, rows, mean, std),
        classes=data.classes, height=data.height, width=data.width, channels=data.channels,
        rows=sum(map(len, rows)), quarantined=data.quarantined,
        splits={name: len(rows[split]) for split, name in enumerate(SPLITS)},
        shards={name: writers[split].names for split, name in enumerate(SPLITS)},
        train_class_rows=dict(zip(data.classes, train_counts, strict=True)),
        mean=mean, std=std, split_kind=kind, holdout=config.holdout, validation=config.validation, exceptions=moved,
        warnings=warnings, **_preparation(data),
    )  # fmt: skip
    manifest.write(out)
    seal(out)
    log.result(rows=manifest.rows, splits=manifest.splits, split_kind=kind, digest=manifest.digest)
    return manifest


def _preparation(data: DataManifest) -> dict[str, Any]:
    """How ingest prepared image files; manifests of before it was recorded say nothing, and take the defaults."""
    found = data.settings
    return ({"fit": found["fit"]} if "fit" in found else {}) | ({"bits": int(found["bits"])} if "bits" in found else {})


def _fill(writers: list[SplitWriter], dataset: Path, data: DataManifest, log: StepLog) -> NDArray[np.int64]:
    """Put every image into its shard; returns the histogram of the training images, C x 256."""
    histogram = np.zeros((data.channels, LEVELS), np.int64)
    done = 0
    for images_NHWC in read_images(dataset, data):
        written = [writer.put(done, images_NHWC) for writer in writers]
        histogram += channel_histogram(written[TRAIN])
        done += len(images_NHWC)
        log.progress(done, data.rows, "rows")
    return histogram


def _class_warnings(unjudged: list[str], kind: str, moved: dict[str, list[str]], config: PreprocessConfig) -> list[str]:
    """What the split makes of classes with few rows, and which ones nothing will judge."""
    texts = []
    if any(moved.values()):
        texts.append(
            f"few images in some classes: {len(moved[HELD_OUT])} more are held out and {len(moved[TRAINED])} more "
            f"are trained on than preprocess.holdout={config.holdout:g} says, so that each of two or more has both"
        )
    if unjudged and kind == HASH:
        texts.append(
            f"{class_list(unjudged)} with one image only: it is trained on, and nothing will show how well the model "
            "knows it. Add images"
        )
    elif unjudged:
        texts.append(
            f"{class_list(unjudged)} without test rows in the source's own split: nothing will show how well the model "
            "knows it. Add images to the source's test part, or set preprocess.split=hash, which splits all rows by "
            "content"
        )
    return texts


def _warnings(splits: NDArray[np.int8], constant: list[int], config: PreprocessConfig) -> list[str]:
    texts = []
    if dropped := int((splits == DROPPED).sum()):
        texts.append(f"{dropped} training rows of the source show an image that is also one of its test rows; left out")
    if config.validation > 0 and not (splits == VALIDATION).any():
        texts.append(
            "no row fell into the validation split, so there is no validation curve; raise preprocess.validation"
        )
    texts += [
        f"channel {channel} never changes in the training rows, so it carries nothing; it is kept with deviation 1. "
        "Set ingest.channels=1 where the images are grey"
        for channel in constant
    ]
    return texts


def _digest(
    data: DataManifest, keys: RowKeys, rows: list[NDArray[np.int64]], mean: list[float], std: list[float]
) -> str:
    """Identity of what training and evaluation will see, however many shards it lies in.

    The images enter by their digests, which were checked against the pixels while writing.
    """
    digest = hashlib.sha256()
    facts = [data.classes, data.height, data.width, data.channels, mean, std, [len(index) for index in rows]]
    digest.update(json.dumps(facts).encode())
    for index in rows:
        digest.update(keys.sha256[index].tobytes() + keys.labels[index].astype("<i8").tobytes())
    return digest.hexdigest()
