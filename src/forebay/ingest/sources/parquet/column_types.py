"""Which Arrow types can hold images, labels and text."""

import pyarrow as pa

ROW_TABLE_COLUMNS = ("pixels", "height", "width", "channels", "label_name")  # of `contracts.rows`: raw pixels
SPARK_IMAGE = {"height", "width", "nChannels", "mode", "data"}  # the fields of `spark.read.format("image")`


def is_image_type(kind: pa.DataType) -> bool:
    """Tell a type whose values can be images: bytes, a struct with `bytes`, or Spark's image."""
    if pa.types.is_dictionary(kind):
        return is_image_type(kind.value_type)
    if pa.types.is_struct(kind):
        names = {field.name for field in kind}
        return "bytes" in names or names >= SPARK_IMAGE
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_label_type(kind: pa.DataType) -> bool:
    """Tell a type whose values can be labels: one text, number or truth value."""
    if pa.types.is_dictionary(kind):
        return is_label_type(kind.value_type)
    types = pa.types
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_date, types.is_timestamp,
             types.is_null)  # fmt: skip
    return is_text_type(kind) or any(test(kind) for test in tests)


def is_text_type(kind: pa.DataType) -> bool:
    """Tell a type of text. Bytes count, because some writers do not mark text as such."""
    if pa.types.is_dictionary(kind):
        return is_text_type(kind.value_type)
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary,
             types.is_binary_view)  # fmt: skip
    return any(test(kind) for test in tests)


def is_number_type(kind: pa.DataType) -> bool:
    """Tell a type of labels that are numbers."""
    return not (is_text_type(kind) or pa.types.is_null(kind) or pa.types.is_temporal(kind))


def is_category_type(kind: pa.DataType) -> bool:
    """Tell a dictionary of texts, as pandas writes a category."""
    return bool(pa.types.is_dictionary(kind)) and is_text_type(kind.value_type)
