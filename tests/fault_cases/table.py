"""The cases, which are also the table in `docs/faults.md`."""

from fault_cases import signals
from fault_cases.case import FAILED, RESUMED, Case
from fault_cases.stored import case_of, flip, gone, truncate

_FILES = {
    "preprocess": ("rows/rows/part-*.parquet", "rows/manifest.json", "rows/_COMPLETE.json"),
    "train": ("shards/train-00000.npy", "shards/train-labels.npy", "shards/validation-labels.npy",
              "shards/train-sha256.npy", "shards/manifest.json", "shards/_COMPLETE.json"),
    "evaluate": ("shards/test-00000.npy", "shards/test-labels.npy", "bundle/model.json",
                 "bundle/weights.safetensors", "bundle/history.json"),
    "register": ("evaluation/evaluation.json", "bundle/model.json", "bundle/weights.safetensors"),
}  # fmt: skip

_STORED = [
    Case(f"{file.rpartition('/')[2]} of {file.partition('/')[0]} {done}", step, FAILED,
         "Refused by the file's name before anything is written; the next run makes the artifact anew.",
         case_of(file, damage))
    for step, files in _FILES.items()
    for file in files
    for done, damage in (("cut to half", truncate), ("with one bit flipped", flip))
]  # fmt: skip

_GONE = [
    Case(f"{artifact} deleted before it began", step, FAILED,
         "Refused by the folder's name; the next run makes it anew.", gone(artifact))
    for step, artifact in (("preprocess", "rows"), ("train", "shards"), ("evaluate", "bundle"),
                           ("evaluate", "shards"), ("register", "evaluation"))
]  # fmt: skip

_SIGNALS = [
    case
    for step in ("preprocess", "train", "evaluate", "register")
    for case in (
        Case("SIGTERM in the middle", step, RESUMED, "It ends; the next try ends with the same result.",
             signals.terminated),
        Case("SIGSTOP, then SIGCONT", step, RESUMED, "It waits, then ends with the same result.", signals.halted),
    )
]  # fmt: skip

CASES = [*_SIGNALS, *_STORED, *_GONE]
