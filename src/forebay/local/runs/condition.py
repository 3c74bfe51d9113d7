"""The gate's condition, decided without evaluating text.

kfp's local runner pastes a step's output between quotes into the text of a condition and hands that to `eval`, where a
quote in the output ends the string and the rest is code (GHSA-rhjm-6347-5x33, open in kfp 2.17.3). Here a condition
compares one output with a word of the gate, the output is such a word, and anything else is refused. On a cluster
Kubeflow evaluates the condition itself, in another language, and nothing of this is used.
"""

import re
from typing import Any, Protocol

from forebay.contracts.evaluation import PASSED, REFUSED
from forebay.errors import ForebayError

WORDS = (PASSED, REFUSED)
_COMPARISON = re.compile(r"inputs\.parameter_values\['pipelinechannel--([a-z0-9-]+)-(Output)'\] == '([a-z]+)'")
_SHOWN = 80  # characters of what is refused


class Outputs(Protocol):
    """What kfp keeps of the steps that are done."""

    def get_task_output(self, task: str, name: str, /) -> Any:
        """The value of an output; ValueError where there is none."""


class ConditionError(ForebayError):
    """A condition, or the output that it asks about, is none that the gate has."""


def holds(condition: str, outputs: Outputs) -> bool:
    """Whether an output of a step is the word that a condition compares it with.

    Args:
        condition: kfp's text, `inputs.parameter_values['pipelinechannel--STEP-Output'] == 'WORD'`.
        outputs: of the steps before it.

    Raises:
        ConditionError: the text is another one, or WORD or the output is not `passed` or `refused`.
    """
    comparison = _COMPARISON.fullmatch(condition.strip())
    if comparison is None or comparison[3] not in WORDS:
        raise ConditionError(_refusal("the condition", condition))
    task, name, word = comparison.groups()
    try:
        value = outputs.get_task_output(task, name)
    except ValueError:
        value = None
    if value not in WORDS:
        raise ConditionError(_refusal(f"{task}'s output", value))
    return bool(value == word)


def _refusal(what: str, value: object) -> str:
    shown = repr(value)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    return (
        f"{what[0].upper()}{what[1:]} that decides about the next steps is {shown}. It must be {' or '.join(WORDS)}, "
        "since kfp would evaluate any other text as code; none of it was run, and nothing was registered. "
        "Install Forebay again if you did not change its pipeline or components."
    )
