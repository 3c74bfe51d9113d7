"""Decides the gate's condition without evaluating text.

kfp's local runner pastes a step's output between quotes into the text of a condition and hands that to `eval`, where a
quote in the output ends the string and the rest is code (GHSA-rhjm-6347-5x33, open in kfp 2.17.3). Here a condition may
only compare one output with a decision of the gate, and the output must be such a decision; anything else is refused.
On a cluster Kubeflow evaluates the condition itself, in another language, and this module is not used.
"""

import re
from typing import Any, Protocol

from forebay.contracts.evaluation import PASSED, REFUSED
from forebay.errors import ForebayError

GATE_DECISIONS = (PASSED, REFUSED)
_COMPARISON = re.compile(r"inputs\.parameter_values\['pipelinechannel--([a-z0-9-]+)-(Output)'\] == '([a-z]+)'")
_SHOWN = 80  # a message repeats no more characters of what is refused


class TaskOutputs(Protocol):
    """The outputs of finished steps, as kfp keeps them."""

    def get_task_output(self, task: str, name: str, /) -> Any:
        """The value of an output; ValueError where there is none."""


class UnknownConditionError(ForebayError):
    """A condition, or the output that it compares, is not one of the gate's."""


def evaluate_condition(condition: str, outputs: TaskOutputs) -> bool:
    """Whether a step's output is the decision with which a condition compares it.

    Args:
        condition: kfp's text, `inputs.parameter_values['pipelinechannel--STEP-Output'] == 'WORD'`.
        outputs: outputs of the steps before the condition.

    Raises:
        ConditionError: the text is another one, or WORD or the output is not `passed` or `refused`.
    """
    comparison = _COMPARISON.fullmatch(condition.strip())
    if comparison is None or comparison[3] not in GATE_DECISIONS:
        raise UnknownConditionError(_refusal("the condition", condition))
    task, name, word = comparison.groups()
    try:
        value = outputs.get_task_output(task, name)
    except ValueError:
        value = None
    if value not in GATE_DECISIONS:
        raise UnknownConditionError(_refusal(f"{task}'s output", value))
    return bool(value == word)


def _refusal(what: str, value: object) -> str:
    shown = repr(value)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    allowed = " or ".join(GATE_DECISIONS)
    return (
        f"{what[0].upper()}{what[1:]} that decides about the next steps is {shown}. It must be {allowed}, "
        "since kfp would evaluate any other text as code; none of it was run, and nothing was registered. "
        "Install Forebay again if you did not change its pipeline or components."
    )
