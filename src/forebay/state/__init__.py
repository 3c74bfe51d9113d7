"""The state folder: where it is, what lies in it, who may write, and how steps say what they do."""

from forebay.state.files import empty_folder, read_json, read_object, write_bytes, write_json
from forebay.state.home import Home, RunFolder
from forebay.state.lock import FileLock
from forebay.state.sealed import is_sealed, seal
from forebay.state.steplog import StepLog, step

__all__ = [
    "FileLock",
    "Home",
    "RunFolder",
    "StepLog",
    "empty_folder",
    "is_sealed",
    "read_json",
    "read_object",
    "seal",
    "step",
    "write_bytes",
    "write_json",
]
