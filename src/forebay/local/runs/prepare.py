"""The first two steps of the pipeline alone: rows that are split and laid out, for commands that train on them.

The compiled file itself runs, without its other steps. So what it makes comes from the cache of earlier runs, and later
runs of the same data take it from there.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from forebay.backend.compiled_file import compiled_pipeline
from forebay.backend.summary import Event, StepFailedError, summarize
from forebay.local.runs.cache import clear_cache, drop_damaged_entries
from forebay.local.runs.engine_process import EngineProcess, read_last_lines
from forebay.local.runs.follow_events import follow_events
from forebay.settings.keys import Scalar
from forebay.state import Home, RunFolder, empty_folder, read_json, write_bytes, write_json
from forebay.state.events import read_events

KEPT = ("ingest", "preprocess")
OUTPUT = "shards"


def prepare_shards(
    home: Home, folder: Path, parameters: Mapping[str, Scalar], show: Callable[[Event], None], *, fresh: bool
) -> Path:
    """Run ingest and preprocess, or take what they made before.

    Args:
        home: the state folder; its lock is held.
        folder: is emptied; receives events and log.
        parameters: those of a run, by name.
        show: called with every event as it arrives.
        fresh: compute both again.

    Returns:
        The output folder of preprocess.

    Raises:
        StepFailedError: one of them failed.
    """
    empty_folder(folder)
    run = RunFolder(folder)
    if fresh:
        clear_cache(home.cache)
    pipeline = folder / "preparation.yaml"
    write_bytes(pipeline, preparation(compiled_pipeline().read_text()).encode())
    plan = {"pipeline": str(pipeline), "parameters": dict(parameters), "runner": "process", "sources": []}
    write_json(run.plan, {**plan, "fresh": fresh, "pid": os.getpid(), "warm": False})
    with EngineProcess(home, run, fresh=fresh) as engine:
        exit_code = follow_events(run, show, engine.exit_code)
    if exit_code or not run.outputs.is_file():
        raise _failed(home, run)
    return Path(read_json(run.outputs)[OUTPUT])


def preparation(compiled: str) -> str:
    """The compiled pipeline with nothing but its first two steps, and with the output of the second one."""
    import yaml

    document: dict[str, Any] = next(yaml.safe_load_all(compiled))
    root = document["root"]
    root["dag"]["tasks"] = {name: root["dag"]["tasks"][name] for name in KEPT}
    selector = {"outputArtifactKey": OUTPUT, "producerSubtask": KEPT[-1]}
    root["dag"]["outputs"] = {"artifacts": {OUTPUT: {"artifactSelectors": [selector]}}}
    made = document["components"][f"comp-{KEPT[-1]}"]["outputDefinitions"]["artifacts"][OUTPUT]
    root["outputDefinitions"] = {"artifacts": {OUTPUT: made}}
    return yaml.safe_dump(document, sort_keys=False)


def _failed(home: Home, run: RunFolder) -> StepFailedError:
    events, _ = read_events(run.events)
    drop_damaged_entries(home.cache, events)
    summary = summarize("", events) | {"state": "failed"}
    if not summary["error"]:
        last = "; ".join(read_last_lines(run.engine_log, 3)) or "the engine ended without a word"
        summary["error"] = {"step": "engine", "error": f"{last}. {run.engine_log} holds its output."}
    return StepFailedError(summary)
