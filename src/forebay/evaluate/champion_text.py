"""The comparison with the champion in words, for the report, also where there was none. Pure functions."""

from typing import Any

from forebay.contracts.class_names import class_list
from forebay.contracts.evaluation import EvaluationResult
from forebay.evaluate.significance import paired_difference_interval
from forebay.text import count_noun


def champion_sentences(evaluation: EvaluationResult) -> list[str]:
    """What is known of this model beside the champion: one paragraph or more, plain text that is not yet escaped."""
    champion = evaluation.gate["champion"]
    if champion is None:
        return [_without_champion(evaluation)]
    if "rows" not in champion:
        return [_not_compared(evaluation, champion["version"])]
    paragraphs = [_accuracies(evaluation, champion), _test(evaluation, champion), _classes(evaluation, champion)]
    return [text for text in paragraphs if text]


def _without_champion(evaluation: EvaluationResult) -> str:
    if not evaluation.gate["passed"]:
        return (
            "There is no comparison with a champion: a rule above refused this model before a champion was looked "
            f"for. Whatever serves as {evaluation.name} keeps serving."
        )
    judged_by = f"its own accuracy, which must be at least {_percent(evaluation.settings['min_accuracy'], 0)}"
    if evaluation.gate["baseline"]:
        judged_by += ", and by being better than always answering the largest class"
    return (
        f"{evaluation.name} has no champion yet, so there is nothing to compare with: the first model is judged by "
        f"{judged_by}. Once deployed it is the champion, and the next model has to be no worse than it on the same "
        "held-out images."
    )


def _not_compared(evaluation: EvaluationResult, version: str) -> str:
    if evaluation.gate["passed"]:
        return f"The weights are those of the champion, version {version}: it is the same model, and is used again."
    return (
        f"It could not be compared with the champion, version {version}; the reason stands at the top. The champion "
        "keeps serving."
    )


def _accuracies(evaluation: EvaluationResult, champion: dict[str, Any]) -> str:
    won, lost, rows = champion["only_candidate_right"], champion["only_champion_right"], champion["rows"]
    confidence = evaluation.accuracy["confidence"]
    low, high = paired_difference_interval(won, lost, rows, confidence)
    return (
        f"The champion, version {champion['version']}, is right for {_percent(champion['champion_accuracy'])} of the "
        f"{count_noun(rows, 'image')} that neither model was trained on, this model for "
        f"{_percent(champion['candidate_accuracy'])}: a difference of {_points((won - lost) / rows)} points "
        f"({_percent(confidence, 0)} interval {_points(low)} to {_points(high)})."
    )


def _test(evaluation: EvaluationResult, champion: dict[str, Any]) -> str:
    won, lost, p_value = champion["only_candidate_right"], champion["only_champion_right"], champion["p_value"]
    limit = evaluation.settings["significance"]
    verdict = f"below {limit:g}, so this model is significantly worse"
    if p_value >= limit:
        verdict = f"not below {limit:g}, so nothing shows that this model is worse"
    return (
        f"It is right for {count_noun(won, 'image')} that the champion gets wrong, and wrong for {lost:,} that the "
        f"champion gets right. By the one-sided exact McNemar test on these, p = {p_value:.3g}: {verdict}."
    )


def _classes(evaluation: EvaluationResult, champion: dict[str, Any]) -> str:
    limit, worst = evaluation.settings["max_class_drop"], champion["worst_class"]
    text = "No class loses recall."
    if worst is not None:
        drop = champion["worst_drop"]
        verdict = "more than" if drop > limit else "within"
        text = f"The class that loses most is “{worst}”: {drop * 100:.1f} points of recall, {verdict} the "
        text += f"{limit * 100:g} points allowed."
    if champion["uncompared"]:
        text += f" Not compared, without any of these images: {class_list(champion['uncompared'])}."
    return text


def _percent(share: float, digits: int = 2) -> str:
    return f"{share * 100:.{digits}f} %"


def _points(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return f"{difference * 100:+.2f}".replace("-", "−")
