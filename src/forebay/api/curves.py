"""The training curves of a run of this machine."""

import json
import re
from pathlib import Path
from typing import Any

from forebay.backend.summary import Event
from forebay.contracts.overfitting import read_curves
from forebay.state import RunFolder
from forebay.state.events import read_events

_BUNDLE = re.compile(r'"uri": ("[^"]*/train/bundle")')  # in kfp's log: what evaluate was handed


def run_curves(run: RunFolder) -> list[dict[str, Any]]:
    """The curves that the training told, or, where its result came from the cache, those of its bundle."""
    told = event_curves(read_events(run.events)[0])
    if told or not run.engine_log.is_file():
        return told
    found = _BUNDLE.findall(run.engine_log.read_text(errors="replace"))
    return [dict(each) for each in read_curves(Path(json.loads(found[-1])))] if found else []


def event_curves(events: list[Event]) -> list[dict[str, Any]]:
    """The curves as events of a training tell them, as `history.json` has them; the last try counts."""
    curves: dict[tuple[Any, Any], dict[str, Any]] = {}
    for event in events:
        if event["kind"] == "epoch":
            curves[event["measures"].get("member"), event["epoch"]] = {"epoch": event["epoch"], **event["measures"]}
    return list(curves.values())
