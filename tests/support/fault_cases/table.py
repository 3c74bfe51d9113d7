"""The cases, which are also the table in `docs/faults.md`."""

from support.closable_proxy import HELD, SHUT
from support.fault_cases import commands, deploying, ingesting, machine, outages, signals
from support.fault_cases.case import FAILED, RESUMED, Case
from support.fault_cases.limits import FileBytes, MoreMemory, OpenFiles, allocate_in_vain, allocate_tensor_in_vain
from support.fault_cases.place import STEPS
from support.fault_cases.process import amid
from support.fault_cases.stored import case_of, flip, gone, truncate

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
    *(Case("64 file descriptors", step, RESUMED, "It needs fewer.", machine.ends_well_under(OpenFiles(64)),
           slow=step in ("train", "register"))
      for step in _LOCAL),
    Case("12 file descriptors", "train", FAILED, f"Says the limit and how to raise it. {_AGAIN}",
         machine.fails_under(OpenFiles(12), "this process may open 12 files", "ulimit -n")),
    *(Case("memory limit", step, FAILED, f"Says that memory is short. {_AGAIN}",
           machine.fails_under(amid(step, allocate_in_vain), "Too little memory"))
      for step in ("preprocess", "evaluate", "register")),
    Case("memory limit", "train", FAILED, f"Says that memory is short. {_AGAIN}",
         machine.fails_under(amid("train", allocate_tensor_in_vain), "The memory of cpu is too small")),
    *(Case("state folder read-only", step, FAILED, "Refused before anything begins, with FOREBAY_HOME as a way out.",
           commands.read_only_home)
      for step in ("ingest", "train", "evaluate", "register", "deploy")),
]  # fmt: skip

_OUTAGES = [
    *(Case(f"MLflow {how} for 60 s in the middle", step, RESUMED, "It waits and ends with the same result.",
           outages.mlflow_for_a_minute(order), slow=True)
      for step in ("train", "evaluate", "register") for how, order in (("hangs", HELD), ("is down", SHUT))),
    Case("MLflow down for good in the middle", "train", RESUMED,
         "A warning that the curves are not written; the weights are the same.", outages.mlflow_gone, slow=True),
    *(Case("MLflow down for good in the middle", step, FAILED,
           f"Names MLflow's address; no version. {_AGAIN}", outages.mlflow_gone, slow=True)
      for step in ("evaluate", "register")),
    *(Case(f"S3 of the checkpoints {how} in the middle", "train", RESUMED,
           "Training goes on without copies; the weights are the same.",
           outages.checkpoint_store(order, seconds), slow=True)
      for how, order, seconds in (("hangs for 60 s", HELD, 60.0), ("is down for 60 s", SHUT, 60.0),
                                  ("is down for good", SHUT, None))),
]  # fmt: skip

_KEEPS = "The champion keeps answering and stays champion; the same step again deploys."
_DEPLOY = [
    Case("SIGTERM in the middle", "deploy", RESUMED, _KEEPS, deploying.terminated),
    Case("SIGSTOP, then SIGCONT", "deploy", RESUMED, "It waits, then deploys.", deploying.halted),
    Case("registry's disk refuses when the version is proved", "deploy", FAILED, f"Says so. {_KEEPS}",
         deploying.fails_under(FileBytes(4096), "was not made champion")),
    Case("64 file descriptors", "deploy", RESUMED, "It needs fewer.", deploying.ends_well_under(OpenFiles(64))),
    *(Case(f"{file} of evaluation {done}", "deploy", FAILED, f"Refused by the file's name. {_KEEPS}",
           deploying.damaged(file, damage))
      for file in ("evaluation.json", "smoke.npz")
      for done, damage in (("cut to half", truncate), ("with one bit flipped", flip))),
]  # fmt: skip

_BEGINS = "Nothing counts as written; the next try gives the same rows."
_INGEST = [
    Case("SIGTERM in the middle", "ingest", RESUMED, f"It ends, its Java process too. {_BEGINS}",
         ingesting.terminated, slow=True),
    Case("SIGSTOP, then SIGCONT", "ingest", RESUMED, "It waits, then gives the same rows.", ingesting.halted,
         slow=True),
    Case("disk full", "ingest", FAILED, f"Says so. {_BEGINS}", ingesting.full_disk, slow=True),
    Case("quota: no file beyond 4 KiB", "ingest", FAILED, f"Says so. {_BEGINS}",
         ingesting.fails_under(FileBytes(4096), "File too large"), slow=True),
    Case("64 file descriptors", "ingest", FAILED, f"Says the limit and how to raise it: Java needs more. {_BEGINS}",
         ingesting.fails_under(OpenFiles(64), "this process may open 64", "ulimit -n"), slow=True),
    Case("memory limit", "ingest", FAILED, f"Says that Java cannot start. {_BEGINS}",
         ingesting.fails_under(MoreMemory(64 << 20), "Java"), slow=True),
    Case("S3 of the images hangs for 60 s", "ingest", RESUMED, "It waits, then gives the same rows.",
         ingesting.store(HELD, 60.0, "resumed"), slow=True),
    Case("S3 of the images is down for good", "ingest", FAILED, f"Names the source. {_BEGINS}",
         ingesting.store(SHUT, None, "failed"), slow=True),
]  # fmt: skip

_ALL = [*_SIGNALS, *_STORED, *_GONE, *_MACHINE, *_OUTAGES, *_DEPLOY, *_INGEST]
CASES = sorted(_ALL, key=lambda case: STEPS.index(case.step))
