"""Which columns of a Parquet file hold the images, the label and the split: by the setting, by name, by type."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from forebay.errors import DataError
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.sources.parquet import column_errors
from forebay.ingest.sources.parquet.column_types import (
    ROW_TABLE_COLUMNS,
    is_category_type,
    is_image_type,
    is_label_type,
    is_text_type,
)
from forebay.ingest.sources.parquet.hugging_face import columns_of_type
from forebay.settings import AUTO, IngestConfig

# In the order in which they are preferred; capitals do not matter.
IMAGE_COLUMNS = (
    "image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "pixels", "image_bytes", "img_bytes",
    "image_data", "content", "bytes", "data",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "fine_label", "class", "category", "target", "cls", "class_name", "label_name", "category_name",
    "class_label", "coarse_label", "label_id", "class_id", "category_id", "y",
)  # fmt: skip
SPLIT_COLUMNS = ("split", "data_split", "dataset_split", "subset", "set", "partition", "fold", "usage")


@dataclass(frozen=True, kw_only=True)
class ColumnChoice:
    """Which column, or which partition folder, holds what."""

    image: str  # `pixels` holds raw pixels where the rest of ROW_TABLE_COLUMNS is there as well
    label: str
    label_in_folder: bool  # the value stands in a folder's name, label=cat/
    split: str | None  # a column
    notes: tuple[str, ...] = ()  # what was chosen where several fit


def choose_columns(
    file: SourceFile, schema: pa.Schema, partitions: Mapping[str, str | None], config: IngestConfig
) -> ColumnChoice:
    """Choose the columns of a file.

    Args:
        file: the file, for messages.
        schema: its columns.
        partitions: the values of its key=value folders, by key.
        config: `image_column` and `label_column` may name the columns.

    Raises:
        DataError: none fits, or several do and no rule prefers one; the message lists what is there.
    """
    image, notes = choose_image_column(file, schema, config)
    label = "label_name"
    if not _is_read_as_row_table(schema, config) or config.label_column != AUTO:
        label, label_notes = _choose_label(file, schema, partitions, image, config.label_column)
        notes += label_notes
    columns = [field.name for field in _unique_fields(schema) if is_label_type(field.type)]
    return ColumnChoice(
        image=image,
        label=label,
        label_in_folder=label not in columns,
        split=next((name for name in _by_preference(columns, SPLIT_COLUMNS) if name not in (image, label)), None),
        notes=tuple(notes),
    )


def choose_image_column(file: SourceFile, schema: pa.Schema, config: IngestConfig) -> tuple[str, list[str]]:
    """The column that holds the images, and notes on the choice; raises as `choose_columns`."""
    if _is_read_as_row_table(schema, config):
        return "pixels", []
    return _choose_image(file, schema, config.image_column)


def holds_images(schema: pa.Schema) -> bool:
    """Tell whether the file is a dataset by a column's name or type; one odd binary column does not make it one."""
    return _is_row_table(schema) or bool(_likely_images(schema))


def _is_read_as_row_table(schema: pa.Schema, config: IngestConfig) -> bool:
    return _is_row_table(schema) and config.image_column in (AUTO, "pixels")


def _is_row_table(schema: pa.Schema) -> bool:
    return set(ROW_TABLE_COLUMNS) <= set(schema.names)


def _unique_fields(schema: pa.Schema) -> list[pa.Field]:
    """The columns whose name no other column has."""
    return [field for field in schema if schema.names.count(field.name) == 1]


def _choose_image(file: SourceFile, schema: pa.Schema, wanted: str) -> tuple[str, list[str]]:
    fitting = [field.name for field in _unique_fields(schema) if is_image_type(field.type)]
    if wanted != AUTO:
        return _named_column(file, schema, "image", wanted, fitting), []
    likely = _likely_images(schema) or [name for name in fitting if name.lower() not in LABEL_COLUMNS]
    if not likely:
        raise _no_images(file, schema)
    return _preferred(file, "image", likely, IMAGE_COLUMNS, "The images are")


def _likely_images(schema: pa.Schema) -> list[str]:
    """Columns whose name or whose type says that they hold images, preferred names first."""
    fitting = [field.name for field in _unique_fields(schema) if is_image_type(field.type)]
    features = columns_of_type(schema, "Image")
    typed = [name for name in fitting if name in features or pa.types.is_struct(schema.field(name).type)]
    return list(dict.fromkeys([*_by_preference(fitting, IMAGE_COLUMNS), *typed]))


def _choose_label(
    file: SourceFile, schema: pa.Schema, partitions: Mapping[str, str | None], image: str, wanted: str
) -> tuple[str, list[str]]:
    columns = [field.name for field in _unique_fields(schema) if field.name != image and is_label_type(field.type)]
    fitting = list(dict.fromkeys([*columns, *partitions]))
    if wanted != AUTO:
        return _named_column(file, schema, "label", wanted, fitting), []
    class_labels = [name for name in columns_of_type(schema, "ClassLabel") if name in columns]
    categories = [name for name in columns if is_category_type(schema.field(name).type)]
    likely = (
        _by_preference(fitting, LABEL_COLUMNS)
        or [name for name in class_labels if name.lower() not in SPLIT_COLUMNS]
        or [name for name in categories if name.lower() not in SPLIT_COLUMNS]
    )
    if not likely:
        raise column_errors.no_label(file, schema, partitions, fitting)
    label, notes = _preferred(file, "label", likely, LABEL_COLUMNS, "The classes are")
    if label in columns and label in partitions:
        notes.append(f"The classes are taken from the column {label}, not from the folders {label}=….")
    return label, notes


def _preferred(
    file: SourceFile, content: str, likely: Sequence[str], names: Sequence[str], subject: str
) -> tuple[str, list[str]]:
    """The first of several columns, and a note on the choice; an error where its name is not among the usual ones."""
    if len(likely) == 1:
        return likely[0], []
    if likely[0].lower() not in names:
        raise column_errors.several_fit(file, content, likely)
    others = ", ".join(likely[1:])
    return likely[0], [f"{subject} taken from {likely[0]}, not from {others}; ingest.{content}_column says otherwise."]


def _named_column(file: SourceFile, schema: pa.Schema, content: str, wanted: str, fitting: Sequence[str]) -> str:
    if wanted not in fitting:
        raise column_errors.unfit_column(file, schema, content, wanted, fitting)
    return wanted


def _no_images(file: SourceFile, schema: pa.Schema) -> DataError:
    texts = _by_preference([field.name for field in _unique_fields(schema) if is_text_type(field.type)], IMAGE_COLUMNS)
    return column_errors.only_paths(file, texts[0]) if texts else column_errors.no_images(file, schema)


def _by_preference(columns: Iterable[str], names: Sequence[str]) -> list[str]:
    """The columns that bear one of the names, in the order of the names."""
    ranks = {name: rank for rank, name in enumerate(names)}
    return sorted((column for column in columns if column.lower() in ranks), key=lambda name: ranks[name.lower()])
