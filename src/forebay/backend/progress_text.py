"""How far a step is, as a person reads it: pure functions of its `progress` and `epoch` events."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from forebay.text import format_duration

SEPARATOR = ", "


def progress_text(progress: Mapping[str, Any]) -> str:
    """The whole of it: `1,234/3,200 steps, epoch 4/16, loss 0.532, …`."""
    count = f"{progress['done']:,}/{progress['total']:,} {progress['unit']}"
    return SEPARATOR.join([count, *measure_texts(progress.get("measures") or {})])


def short_progress_text(progress: Mapping[str, Any], width: int) -> str:
    """As much of it as a line of this width holds, what matters most first; where there are measures, no count."""
    parts = measure_texts(progress.get("measures") or {})
    if not parts:
        return progress_text(progress)
    while len(parts) > 1 and len(SEPARATOR.join(parts)) > width:
        parts.pop()
    return SEPARATOR.join(parts)


def measure_texts(measures: Mapping[str, float]) -> list[str]:
    """The measures of a training, those that matter most first."""
    wanted: dict[str, Callable[[float], str]] = {
        "member": lambda member: _member_text(member, measures),
        "epoch": lambda epoch: f"epoch {epoch:g}/{measures.get('epochs', 0):g}",
        "loss": lambda loss: f"loss {loss:.3f}",
        "accuracy": lambda accuracy: f"acc {accuracy:.1%}",
        "seconds_left": lambda seconds: f"{format_duration(seconds)} left",
        "images_per_s": lambda rate: f"{rate:,.3g} images/s" if rate < 100 else f"{rate:,.0f} images/s",
        "learning_rate": lambda rate: f"rate {rate:.3g}",
    }
    return [text(measures[name]) for name, text in wanted.items() if name in measures]


def epoch_text(event: Mapping[str, Any]) -> str:
    """The end of an epoch: `epoch 4/16: train loss 0.612, acc 78.9%; validation loss 0.701, acc 75.2%`."""
    measures = event["measures"]
    parts = [_split_text(measures, split) for split in ("train", "validation")]
    epoch = f"epoch {event['epoch']:g}/{event['epochs']:g}"
    if "member" in measures:
        epoch = SEPARATOR.join([_member_text(measures["member"], measures), epoch])
    return f"{epoch}: {'; '.join(filter(None, parts))}"


def _member_text(member: float, measures: Mapping[str, float]) -> str:
    """Which of the networks that a step trains."""
    return f"member {member:g} of {measures.get('members', 0):g}"


def _split_text(measures: Mapping[str, float], split: str) -> str:
    wanted: Sequence[tuple[str, str]] = (("loss", ".3f"), ("accuracy", ".1%"))
    parts = [
        f"{name.replace('accuracy', 'acc')} {measures[f'{split}_{name}']:{form}}"
        for name, form in wanted
        if f"{split}_{name}" in measures
    ]
    return f"{split} {SEPARATOR.join(parts)}" if parts else ""
