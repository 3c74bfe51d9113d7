"""Which columns of a Parquet file hold the images, the label and the split: by the setting, by name, by type."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from forebay.errors import DataError
from forebay.ingest.files.files import SourceFile
from forebay.ingest.sources.source_kind import invalid_file
from forebay.settings import AUTO, IngestConfig

OWN = ("pixels", "height", "width", "channels", "label_name")  # of `contracts.rows`: pixels as they are, not encoded
SPARK_IMAGE = {"height", "width", "nChannels", "mode", "data"}  # of `spark.read.format("image")`

# In the order in which they are preferred; capitals do not matter.
IMAGE_NAMES = (
    "image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "pixels", "image_bytes", "img_bytes",
    "image_data", "content", "bytes", "data",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "fine_label", "class", "category", "target", "cls", "class_name", "label_name", "category_name",
    "class_label", "coarse_label", "label_id", "class_id", "category_id", "y",
)  # fmt: skip
SPLIT_NAMES = ("split", "data_split", "dataset_split", "subset", "set", "partition", "fold", "usage")
SHOWN = 20  # columns in a message


@dataclass(frozen=True, kw_only=True)
class ColumnChoice:
    """What is taken from where."""

    image: str  # `pixels` beside the rest of OWN are pixels as they are
    label: str
    label_in_folder: bool  # the value stands in a folder's name, label=cat/
    split: str | None  # a column
    choices: tuple[str, ...] = ()  # for people: what was chosen where several fit


def choose(
    file: SourceFile, schema: pa.Schema, folders: Mapping[str, str | None], config: IngestConfig
) -> ColumnChoice:
    """Choose the columns of a file.

    Args:
        file: for messages.
        schema: of the file.
        folders: values of its key=value folders, by key.
        config: `image_column` and `label_column` may name the columns.

    Raises:
        DataError: none fits, or several do and no rule prefers one; the message lists what is there.
    """
    own = set(OWN) <= set(schema.names) and config.image_column in (AUTO, "pixels")
    image, label, choices = "pixels", "label_name", list[str]()
    if not own:
        image, choices = _image(file, schema, config.image_column)
    if not own or config.label_column != AUTO:
        label, more = _label(file, schema, folders, image, config.label_column)
        choices += more
    columns = [field.name for field in _fields(schema) if is_label(field.type)]
    return ColumnChoice(
        image=image,
        label=label,
        label_in_folder=label not in columns,
        split=next((name for name in _by_name(columns, SPLIT_NAMES) if name not in (image, label)), None),
        choices=tuple(choices),
    )


def holds_images(schema: pa.Schema) -> bool:
    """Tell whether the file is a dataset by a column's name or type; one odd binary column does not make it one."""
    return set(OWN) <= set(schema.names) or bool(_likely_images(schema))


def is_image(kind: pa.DataType) -> bool:
    """Tell a type whose values can be images: bytes, a struct with `bytes`, or Spark's image."""
    if pa.types.is_dictionary(kind):
        return is_image(kind.value_type)
    if pa.types.is_struct(kind):
        names = {field.name for field in kind}
        return "bytes" in names or names >= SPARK_IMAGE
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_label(kind: pa.DataType) -> bool:
    """Tell a type whose values can be labels: one text, number or truth value."""
    if pa.types.is_dictionary(kind):
        return is_label(kind.value_type)
    types = pa.types
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_date, types.is_timestamp,
             types.is_null)  # fmt: skip
    return is_text(kind) or any(test(kind) for test in tests)


def is_text(kind: pa.DataType) -> bool:
    """Tell a type of text; bytes count, because some writers do not mark text as such."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary)
    return any(test(kind) for test in (*tests, pa.types.is_large_binary, pa.types.is_binary_view))


def hugging_face_features(schema: pa.Schema) -> dict[str, Any]:
    """What the Hugging Face metadata says of each column; empty where there is none, or none of a known form."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return {}
    if isinstance(found, list):  # as in a dataset card
        found = {each.get("name"): each for each in found if isinstance(each, dict)}
    return found if isinstance(found, dict) else {}


def _fields(schema: pa.Schema) -> list[pa.Field]:
    """The columns that their name tells apart."""
    return [field for field in schema if schema.names.count(field.name) == 1]


def _image(file: SourceFile, schema: pa.Schema, wanted: str) -> tuple[str, list[str]]:
    fitting = [field.name for field in _fields(schema) if is_image(field.type)]
    if wanted != AUTO:
        return _as_set(file, schema, "image", wanted, fitting), []
    likely = _likely_images(schema)
    if not likely:
        rest = [name for name in fitting if name.lower() not in LABEL_NAMES]
        if not rest:
            raise _no_images(file, schema)
        likely = rest
    return _first(file, "image", likely, IMAGE_NAMES, "The images are")


def _likely_images(schema: pa.Schema) -> list[str]:
    """Columns whose name or whose type says that they hold images, preferred names first."""
    fitting = [field.name for field in _fields(schema) if is_image(field.type)]
    known = {name for name, feature in hugging_face_features(schema).items() if _kind(feature) == "Image"}
    typed = [name for name in fitting if name in known or pa.types.is_struct(schema.field(name).type)]
    return list(dict.fromkeys([*_by_name(fitting, IMAGE_NAMES), *typed]))


def _label(
    file: SourceFile, schema: pa.Schema, folders: Mapping[str, str | None], image: str, wanted: str
) -> tuple[str, list[str]]:
    columns = [field.name for field in _fields(schema) if field.name != image and is_label(field.type)]
    fitting = list(dict.fromkeys([*columns, *folders]))
    if wanted != AUTO:
        return _as_set(file, schema, "label", wanted, fitting), []
    known = [
        name
        for name, feature in hugging_face_features(schema).items()
        if _kind(feature) == "ClassLabel" and name in columns
    ]
    likely = (
        _by_name(fitting, LABEL_NAMES)
        or [name for name in known if name.lower() not in SPLIT_NAMES]
        or [name for name in columns if _is_category(schema.field(name).type) and name.lower() not in SPLIT_NAMES]
    )
    if not likely:
        raise _no_label(file, schema, folders, fitting)
    label, choices = _first(file, "label", likely, LABEL_NAMES, "The classes are")
    if label in columns and label in folders:
        choices.append(f"The classes are taken from the column {label}, not from the folders {label}=….")
    return label, choices


def _first(
    file: SourceFile, which: str, likely: Sequence[str], names: Sequence[str], subject: str
) -> tuple[str, list[str]]:
    """The preferred one of several, and what to tell of it."""
    if len(likely) == 1:
        return likely[0], []
    if likely[0].lower() not in names:
        raise invalid_file(
            file,
            f"several columns fit as {which}: {', '.join(likely)}",
            f"Say which one with ingest.{which}_column, such as --set ingest.{which}_column={likely[0]}",
        )
    others = ", ".join(likely[1:])
    return likely[0], [f"{subject} taken from {likely[0]}, not from {others}; ingest.{which}_column says otherwise."]


def _as_set(file: SourceFile, schema: pa.Schema, which: str, wanted: str, fitting: Sequence[str]) -> str:
    if wanted in fitting:
        return wanted
    if wanted in schema.names:
        problem = f"ingest.{which}_column={wanted} cannot be: its type is {_type(schema, wanted)}"
    else:
        problem = f"ingest.{which}_column={wanted} is not there; {_listed(schema)}"
    fits = ", ".join(name for name in fitting if name != wanted) or "none"
    raise invalid_file(file, problem, f"Columns that fit as {which}: {fits}.")


def _no_images(file: SourceFile, schema: pa.Schema) -> DataError:
    texts = _by_name([field.name for field in _fields(schema) if is_text(field.type)], IMAGE_NAMES)
    if texts:
        return only_paths_error(file, texts[0])
    return invalid_file(
        file,
        f"no column holds images; {_listed(schema)}",
        "Give Parquet with columns image (encoded images: binary, or a struct with a field bytes) and label, or "
        f"{', '.join(OWN)}; another file goes out of the folder.",
    )


def only_paths_error(file: SourceFile, column: str, example: str | None = None) -> DataError:
    """The error for a table that says where images are, but does not hold them."""
    shown = f" (such as {example!r})" if example else ""
    return invalid_file(
        file,
        f"its column {column} holds only paths{shown}, no bytes of images",
        "Write the images into the table (Hugging Face datasets: push_to_hub or to_parquet after "
        "embed_table_storage), or give the folder of images itself, with one sub-folder per class.",
    )


def _no_label(
    file: SourceFile, schema: pa.Schema, folders: Mapping[str, str | None], fitting: Sequence[str]
) -> DataError:
    keys = f", its partition folders {', '.join(f'{key}=…' for key in folders)}" if folders else ""
    fits = f" (fits: {', '.join(fitting)})" if fitting else ""
    return invalid_file(
        file,
        f"no column holds the label; {_listed(schema)}{keys}",
        "A label is text, a whole number or true/false, in a column label, labels, class, category or target or in a "
        f"folder's name, label=cat/. Another column is named by ingest.label_column{fits}; a file "
        "without labels goes out of the folder.",
    )


def _listed(schema: pa.Schema) -> str:
    names = [f"{field.name} ({_short(field.type)})" for field in list(schema)[:SHOWN]]
    more = f" and {len(schema) - SHOWN} more" if len(schema) > SHOWN else ""
    return f"its columns are {', '.join(names) or 'none'}{more}"


def _type(schema: pa.Schema, name: str) -> str:
    if schema.names.count(name) > 1:
        return "not clear: two columns have this name"
    return _short(schema.field(name).type)


def _short(kind: pa.DataType) -> str:
    text = str(kind)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _by_name(columns: Iterable[str], names: Sequence[str]) -> list[str]:
    """Those of the columns that bear one of the names, in the names' order."""
    ranks = {name: rank for rank, name in enumerate(names)}
    return sorted((column for column in columns if column.lower() in ranks), key=lambda name: ranks[name.lower()])


def _kind(feature: Any) -> str:
    if not isinstance(feature, dict):
        return ""
    if isinstance(feature.get("dtype"), dict) and "class_label" in feature["dtype"]:  # as in a dataset card
        return "ClassLabel"
    return str(feature.get("_type", ""))


def _is_category(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind)) and is_text(kind.value_type)
