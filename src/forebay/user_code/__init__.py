"""Code that a person brings: how it is named, how its text travels, how it is loaded, and what its errors say.

A reference is `FILE.py:NAME`, `package.module:NAME`, or the name of an entry point of an installed package. The text of
a file travels as a setting, so that a container or a pod needs no copy of it. Only `load_code` runs any of it.
"""

from forebay.user_code.code_text import MAX_CODE_BYTES, code_rule, decode_code, encode_code, read_code
from forebay.user_code.entry_points import MODELS_GROUP, SOURCES_GROUP, EntryPoint, entry_point_names, find_entry_point
from forebay.user_code.explain import explain_user_errors
from forebay.user_code.identity import package_identity
from forebay.user_code.load import load_code
from forebay.user_code.reference import CodeReference, looks_like_code, parse_reference

__all__ = [
    "MAX_CODE_BYTES",
    "MODELS_GROUP",
    "SOURCES_GROUP",
    "CodeReference",
    "EntryPoint",
    "code_rule",
    "decode_code",
    "encode_code",
    "entry_point_names",
    "explain_user_errors",
    "find_entry_point",
    "load_code",
    "looks_like_code",
    "package_identity",
    "parse_reference",
    "read_code",
]
