"""The errors for Parquet files whose columns do not fit, with what is there."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from forebay.errors import DataError
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.sources.parquet.column_types import ROW_TABLE_COLUMNS
from forebay.ingest.sources.source_kind import invalid_file
from forebay.text import join_names

COLUMNS_SHOWN = 20
MAX_TYPE_CHARACTERS = 60


def several_fit(file: SourceFile, content: str, columns: Sequence[str]) -> DataError:
    """The error where several columns fit and no rule prefers one; `content` is image or label."""
    return invalid_file(
        file,
        f"several columns fit as {content}: {', '.join(columns)}",
        f"Say which one with ingest.{content}_column, such as --set ingest.{content}_column={columns[0]}",
    )


def unfit_column(file: SourceFile, schema: pa.Schema, content: str, wanted: str, fitting: Sequence[str]) -> DataError:
    """The error for a setting that names a column which does not fit; `content` is image or label."""
    if wanted in schema.names:
        problem = f"ingest.{content}_column={wanted} cannot be: its type is {_type(schema, wanted)}"
    else:
        problem = f"ingest.{content}_column={wanted} is not there; {_columns(schema)}"
    others = ", ".join(name for name in fitting if name != wanted) or "none"
    return invalid_file(file, problem, f"Columns that fit as {content}: {others}.")


def no_images(file: SourceFile, schema: pa.Schema) -> DataError:
    """The error for a table in which no column holds images."""
    return invalid_file(
        file,
        f"no column holds images; {_columns(schema)}",
        "Give Parquet with columns image (encoded images: binary, or a struct with a field bytes) and label, or "
        f"{', '.join(ROW_TABLE_COLUMNS)}; another file goes out of the folder.",
    )


def only_paths(file: SourceFile, column: str, example: str | None = None) -> DataError:
    """The error for a table that says where images are, but does not hold them."""
    shown = f" (such as {example!r})" if example else ""
    return invalid_file(
        file,
        f"its column {column} holds only paths{shown}, no bytes of images",
        "Write the images into the table (Hugging Face datasets: push_to_hub or to_parquet after "
        "embed_table_storage), or give the folder of images itself, with one sub-folder per class.",
    )


def no_label(
    file: SourceFile, schema: pa.Schema, partitions: Mapping[str, str | None], fitting: Sequence[str]
) -> DataError:
    """The error for a table in which no column and no partition folder holds labels."""
    keys = f", its partition folders {', '.join(f'{key}=…' for key in partitions)}" if partitions else ""
    fits = f" (fits: {', '.join(fitting)})" if fitting else ""
    return invalid_file(
        file,
        f"no column holds the label; {_columns(schema)}{keys}",
        "A label is text, a whole number or true/false, in a column label, labels, class, category or target or in a "
        f"folder's name, label=cat/. Another column is named by ingest.label_column{fits}; a file "
        "without labels goes out of the folder.",
    )


def _columns(schema: pa.Schema) -> str:
    names = [f"{field.name} ({_short(field.type)})" for field in schema]
    return f"its columns are {join_names(names, COLUMNS_SHOWN) or 'none'}"


def _type(schema: pa.Schema, name: str) -> str:
    if schema.names.count(name) > 1:
        return "not clear: two columns have this name"
    return _short(schema.field(name).type)


def _short(kind: pa.DataType) -> str:
    text = str(kind)
    return text if len(text) <= MAX_TYPE_CHARACTERS else f"{text[:MAX_TYPE_CHARACTERS]}…"
