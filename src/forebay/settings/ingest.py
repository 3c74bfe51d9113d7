"""Settings of the two data steps: ingest and preprocess."""

from dataclasses import dataclass
from typing import ClassVar

from forebay.errors import ConfigError
from forebay.object_store import is_s3_uri
from forebay.settings.field import StepConfig, code_version_setting, setting
from forebay.settings.image_rules import BIT_DEPTHS, CROP, FIT_MODES, LONGEST_SIDE, MAX_PIXELS
from forebay.settings.own_source import own_source_rule, parse_own_source
from forebay.settings.rules import AUTO, at_least, auto_or_int, between, matching, memory_at_least, one_of
from forebay.user_code import code_rule

DIGITS = "digits"
"""The offline default source: the 1 797 real handwritten digits that scikit-learn ships."""


def _named_column(value: str) -> str | None:
    return None if value.strip() else "must be auto or the name of a column"


@dataclass(frozen=True, kw_only=True)
class IngestConfig(StepConfig):
    """What to read and which images to keep."""

    prefix: ClassVar[str] = "ingest"

    data: str = setting(
        DIGITS,
        meaning="Where the images are: digits, a local path or s3://bucket/prefix; an image folder, a tar or zip of "
        "one, WebDataset's tars, IDX files, CIFAR-10 binary files or Parquet; or a source of your own: FILE.py:NAME, "
        "package.module:NAME, or NAME:// of an installed package, with options behind ?",
        rule=lambda value: own_source_rule(value) if value.strip() else "must name a source",
    )
    source_code: str = setting(
        "",
        meaning="The text of FILE.py where ingest.data is FILE.py:NAME (base64 of zlib); the command line fills it in",
        rule=code_rule,
    )
    fingerprint: str = setting(
        "",
        meaning="Identity of the data behind the path, part of the cache key; the command line fills it in; in "
        "the UI, a new word makes the step ingest changed data again",
    )
    code_version: str = code_version_setting()
    labels: str = setting(
        "",
        meaning="A table of labels (CSV, TSV or JSON lines) with a column of files and one of labels: a path in the "
        "source, another local path or s3://bucket/key; empty takes the label from the folders",
    )
    class_level: str = setting(
        AUTO,
        meaning="Image folders: which level of folders names the class, counted from 1 below the split folders or "
        "the top; auto takes the first level where that is clear",
        rule=auto_or_int(1),
    )
    image_column: str = setting(
        AUTO,
        meaning="Parquet and tables of labels: the column that holds the images, or their files; auto finds it by "
        "name (image, file_name, …) and by type",
        rule=_named_column,
    )
    label_column: str = setting(
        AUTO,
        meaning="Parquet and tables of labels: the column, or the key of folders such as label=cat, that holds the "
        "class; auto finds it by name (label, labels, fine_label, …)",
        rule=_named_column,
    )
    size: str = setting(
        AUTO,
        unit="HxW pixels",
        meaning="Size of every image; auto takes the commonest size, or where sizes are many and none is common a "
        "square of the middle shorter side, each side at most ingest.max_side",
        rule=matching(r"auto|[1-9]\d{0,3}x[1-9]\d{0,3}", "auto or 28x28"),
    )
    max_side: int = setting(
        224,
        unit="pixels",
        meaning="Longest side that ingest.size=auto takes; a size that is set is not limited",
        rule=between(1, LONGEST_SIDE),
    )
    fit: str = setting(
        CROP,
        meaning="What becomes of an image with another aspect ratio, in the server too: crop keeps its centre, "
        "letterbox all of it on black, stretch squeezes it",
        rule=one_of(*FIT_MODES),
    )
    on_size: str = setting(
        "resize", meaning="What to do with an image of another size", rule=one_of("resize", "quarantine")
    )
    channels: str = setting(
        AUTO, meaning="1 for grey, 3 for colour; auto is 1 when every image is grey", rule=one_of(AUTO, "1", "3")
    )
    bits: str = setting(
        AUTO,
        unit="bits",
        meaning="How many bits of 16-bit images are in use, in the server too: the largest value of that many bits is "
        "white, and so are larger values; auto takes the fewest bits that hold all values; 16 keeps the high byte",
        rule=one_of(AUTO, *map(str, BIT_DEPTHS)),
    )
    max_quarantine: float = setting(
        0.1,
        unit="fraction of rows",
        meaning="The step fails when more than this share of the images is quarantined",
        rule=between(0, 1),
    )
    min_class_rows: int = setting(
        10, unit="rows", meaning="A class with fewer rows is named in a warning", rule=at_least(1)
    )
    max_pixels: int = setting(
        MAX_PIXELS, unit="pixels", meaning="A larger image is quarantined before it is decoded", rule=at_least(1)
    )
    max_file_bytes: int = setting(
        67_108_864, unit="bytes", meaning="A larger image file is quarantined unread", rule=at_least(1)
    )
    # With and without executors the result is the same. KFP's cache key holds every argument of a component though, and
    # a component has no other typed way in: another number here means one more ingest.
    executors: int = setting(
        0,
        unit="pods",
        meaning="On a cluster with the Spark Operator: pods of one core each that decode the images of an s3:// "
        "source or one of your own; 0 runs Spark in the step's own process",
        rule=between(0, 1000),
    )
    executor_memory: str = setting(
        "2Gi",
        meaning="On a cluster: memory of one executor, in Kubernetes' notation; at least 1Gi",
        rule=memory_at_least(1024),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        own = parse_own_source(self.data)
        if own is not None and self.labels:
            raise ConfigError(
                f"ingest.labels={self.labels} is a table of labels for files, and each record of {own.name} brings its "
                "own label. Leave ingest.labels empty."
            )
        if self.executors and own is None and not is_s3_uri(self.data):
            raise ConfigError(
                f"ingest.executors={self.executors} needs images that all pods reach: ingest.data must start with "
                f"s3:// or s3a://, got {self.data!r}. Put them there, let a source of your own read them, or set "
                "ingest.executors=0."
            )


@dataclass(frozen=True, kw_only=True)
class PreprocessConfig(StepConfig):
    """How to split the rows and lay them out for training."""

    prefix: ClassVar[str] = "preprocess"

    code_version: str = code_version_setting()
    split: str = setting(
        AUTO,
        meaning="hash splits by content, source keeps the source's own test rows; auto takes source where it is",
        rule=one_of(AUTO, "hash", "source"),
    )
    holdout: float = setting(
        0.15,
        unit="fraction of rows",
        meaning="Rows kept for evaluation, never trained on; at least one of every class with two or more images",
        rule=between(0.01, 0.9),
    )
    validation: float = setting(
        0.05, unit="fraction of rows", meaning="Rows kept for curves and early stop; 0 for none", rule=between(0, 0.5)
    )
    shard_rows: int = setting(65_536, unit="rows", meaning="Rows in one memory-mappable file", rule=at_least(1))

    def __post_init__(self) -> None:
        super().__post_init__()
        if round(self.holdout + self.validation, 6) > 0.95:
            raise ConfigError(
                f"preprocess.holdout + preprocess.validation must leave at least 0.05 to train on, "
                f"got {self.holdout} + {self.validation}"
            )
