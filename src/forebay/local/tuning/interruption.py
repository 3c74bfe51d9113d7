"""The error of a search that a signal ended: what is kept, and how to go on."""

from forebay.backend.summary import Event, unfinished_step
from forebay.errors import EndedBySignalError, ExitCode
from forebay.local.runs.interruption import how_far
from forebay.signals import describe_cause
from forebay.text import count_noun

AGAIN = "The same `forebay tune` goes on from there."


def interrupted_search(events: list[Event], is_prepared: bool, ended: int, status: ExitCode) -> EndedBySignalError:
    """The error of an interrupted search.

    Args:
        events: of the search, in order.
        is_prepared: whether ingest and preprocess are done.
        ended: number of trials that are over, of all searches of the study.
    """
    trial = next((event["step"] for event in reversed(events) if event["step"].startswith("trial ")), None)
    last = next((event for event in reversed(events) if event["step"] == trial), None)
    in_trial = last is not None and last["kind"] != "finished"
    step = trial if in_trial else unfinished_step(events)
    where = f" in {step}{how_far(events, step)}" if step else ""
    kept = ["ingest and preprocess"] if is_prepared else []
    kept += [count_noun(ended, "trial")] if ended else []
    kept += [f"the checkpoint of {trial}"] if in_trial else []
    again = AGAIN if kept else "`forebay tune` begins again."
    words = f"Ended by {describe_cause(status)}{where}. Kept: {'; '.join(kept) or 'nothing'}. {again}"
    return EndedBySignalError(words, status, {"error": {"step": step, "error": words}})
