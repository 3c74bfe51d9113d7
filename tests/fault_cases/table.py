"""The cases, which are also the table in `docs/faults.md`."""

from fault_cases import commands, machine, outages, signals
from fault_cases.case import FAILED, RESUMED, Case
from fault_cases.limits import FileBytes, MoreMemory, OpenFiles
from fault_cases.stored import case_of, flip, gone, truncate
from gate import HELD, SHUT

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

_LOCAL = ("preprocess", "train", "evaluate", "register")
_AGAIN = "With the fault gone, the same step ends with the same result."

_MACHINE = [
    *(Case("disk full", step, FAILED, f"Names the file and says how to make room. {_AGAIN}",
           machine.full_disk(12_288))
      for step in ("preprocess", "train", "evaluate")),
    Case("disk of the state folder full", "register", FAILED,
         f"Names the file and says how to make room; no version. {_AGAIN}", machine.full_store),
    *(Case("quota: no file beyond 4 KiB", step, FAILED, f"Names the file and the limit; not tried again. {_AGAIN}",
           machine.fails_under(FileBytes(4096), "ulimit -f", ".npy" if step == "preprocess" else f"/{artifact}/"))
      for step, artifact in (("preprocess", "shards"), ("train", "bundle"), ("evaluate", "evaluation"))),
    Case("quota: no file beyond 4 KiB", "register", FAILED,
         f"Says that the disk refuses MLflow's database; no version. {_AGAIN}",
         machine.fails_under(FileBytes(4096), "The disk is full or fails", "disk I/O error")),
    *(Case("64 file descriptors", step, RESUMED, "It needs fewer.", machine.ends_well_under(OpenFiles(64)))
      for step in _LOCAL),
    Case("12 file descriptors", "train", FAILED, f"Says the limit and how to raise it. {_AGAIN}",
         machine.fails_under(OpenFiles(12), "this process may open 12 files", "ulimit -n")),
    *(Case("memory limit", step, FAILED, f"Says that memory is short. {_AGAIN}",
           machine.fails_under(MoreMemory(4 << 20), words))
      for step, words in (("preprocess", "Too little memory"), ("train", "The memory of cpu is too small"),
                          ("evaluate", "Too little memory"), ("register", "Too little memory"))),
    *(Case("state folder read-only", step, FAILED, "Refused before anything begins, with FOREBAY_HOME as a way out.",
           commands.read_only_home)
      for step in ("ingest", "train", "evaluate", "register", "deploy")),
]  # fmt: skip

_OUTAGES = [
    *(Case(f"MLflow {how} for 60 s in the middle", step, RESUMED, "It waits and ends with the same result.",
           outages.mlflow_for_a_minute(order), slow=True)
      for step in ("train", "register") for how, order in (("hangs", HELD), ("is down", SHUT))),
    Case("MLflow down for good in the middle", "train", RESUMED,
         "A warning that the curves are not written; the weights are the same.", outages.mlflow_gone, slow=True),
    Case("MLflow down for good in the middle", "register", FAILED,
         f"Names MLflow's address; no version. {_AGAIN}", outages.mlflow_gone, slow=True),
    *(Case(f"S3 of the checkpoints {how} in the middle", "train", RESUMED,
           "Training goes on without copies; the weights are the same.",
           outages.checkpoint_store(order, seconds), slow=True)
      for how, order, seconds in (("hangs for 60 s", HELD, 60.0), ("is down for 60 s", SHUT, 60.0),
                                  ("is down for good", SHUT, None))),
]  # fmt: skip

CASES = [*_SIGNALS, *_STORED, *_GONE, *_MACHINE, *_OUTAGES]
