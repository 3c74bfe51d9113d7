"""The model card: what a version is, how good, and how to call it, as its description in MLflow. Pure functions.

MLflow's registry keeps 5 000 characters of a description, so a card lists fewer classes rather than being cut.
"""

from collections.abc import Sequence
from typing import Any

from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import SPLITS
from forebay.register.calling import calls_section
from forebay.register.evaluated_bundle import EvaluatedBundle
from forebay.register.limits import limits_section
from forebay.register.markdown import bullets, escape, table
from forebay.state.mask import without_passwords
from forebay.text import count_noun

MAX_CHARACTERS = 5000
TABLE_ROWS = (20, 10, 5, 3, 0)  # classes that the table lists: as many as leave room for the rest
NAME_CHARACTERS = 40
LISTED_CLASSES = 10
CONFUSED_PAIRS = 3
CHANNELS = {1: "grey", 3: "colour"}


def model_card(bundle: EvaluatedBundle, model_id: str, report: str) -> str:
    """The card in Markdown, at most `MAX_CHARACTERS` long.

    Args:
        bundle: what the version is made from.
        model_id: of the MLflow model.
        report: address of the report.
    """
    card = ""
    for most in TABLE_ROWS:
        sections = [
            _summary(bundle), _data(bundle.data), _accuracy(bundle.evaluation, most), limits_section(bundle),
            calls_section(bundle, model_id), _origin(bundle, report),
        ]  # fmt: skip
        card = "\n\n".join(sections)
        if len(card) <= MAX_CHARACTERS:
            return card
    return card[: card.rindex("\n\n", 0, MAX_CHARACTERS)]  # a paragraph less, and none in half


def model_description(data: SplitManifest) -> str:
    """What the registered model is, whichever version: one line."""
    return f"An image classifier with {len(data.classes):,} classes: {_classes(data.classes)}. Forebay registers it."


def _summary(bundle: EvaluatedBundle) -> str:
    spec, evaluation = bundle.spec, bundle.evaluation
    accuracy = evaluation.accuracy
    rows = {
        "Accuracy": f"**{accuracy['value']:.2%}** of {count_noun(accuracy['rows'], 'held-out image')}; "
        f"{accuracy['confidence']:.0%} interval {accuracy['low']:.2%} to {accuracy['high']:.2%}",
        "Gate": f"{evaluation.decision}: {escape(evaluation.gate['reason'], 300)}",
        "Answers": f"the probabilities of {len(spec.classes):,} classes: {_classes(spec.classes)}",
        "Takes": f"{CHANNELS.get(spec.channels, f'{spec.channels}-channel')} images of {spec.height} x {spec.width} "
        f"pixels; the server brings image files to that size (`{spec.fit}`)",
        "Network": _network(bundle),
    }
    return bullets(f"**{key}**: {text}" for key, text in rows.items())


def _network(bundle: EvaluatedBundle) -> str:
    spec = bundle.spec
    if spec.members:
        names = sorted({network.architecture for network in spec.networks})
        return f"an ensemble of {len(spec.members)}: {', '.join(map(escape, names))}; it answers with their mean"
    seed = spec.training.get("seed")
    library = f" ({escape(f'{spec.library} {spec.library_version}')})" if spec.library_version else ""
    return f"{escape(spec.architecture)}{library}" + (f", seed {seed}" if isinstance(seed, int) else "")


def _data(data: SplitManifest) -> str:
    splits = ", ".join(f"{data.splits[split]:,} {split}" for split in SPLITS)
    counts = sorted(data.train_class_rows.values()) or [0]
    unusable = sum(data.quarantined.values())
    reasons = ", ".join(f"{rows:,} {escape(reason)}" for reason, rows in sorted(data.quarantined.items())[:5])
    return "\n".join(
        [
            "### Data",
            "",
            f"{escape(data.name)}, from {escape(without_passwords(data.source), 120)}: "
            f"{count_noun(data.rows, 'image')} ({splits}), split by {data.split_kind}; "
            f"digest `{data.data_digest[:16]}`. A class has {counts[0]:,} to {counts[-1]:,} training images. "
            f"Not usable: {f'{unusable:,} ({reasons})' if unusable else 'none'}.",
        ]
    )


def _accuracy(evaluation: EvaluationResult, most: int) -> str:
    judged = [row for row in evaluation.per_class if row["recall"] is not None]
    worst = sorted(judged, key=lambda row: row["recall"])[:most]
    shown = judged if len(judged) <= most else worst
    lines = ["### Accuracy by class", "", _means(evaluation)]
    if len(shown) < len(judged):
        lines[-1] += f" Of {len(judged):,} classes, these {len(shown)} have the lowest recall." if shown else ""
    if pairs := _confused(evaluation):
        lines[-1] += f" Most often confused: {pairs}."
    if shown:
        lines += ["", table(("class", "held-out images", "recall", "precision"), map(_class_row, shown))]
    return "\n".join(lines)


def _means(evaluation: EvaluationResult) -> str:
    names = {"macro_recall": "mean recall", "macro_f1": "mean F1", "roc_auc_macro": "mean ROC AUC"}
    found = [f"{words} {evaluation.metrics[key]:.4f}" for key, words in names.items() if key in evaluation.metrics]
    text = f"Over classes: {', '.join(found)}."
    gain = evaluation.ensemble
    if gain:
        text += (
            f" The best of its {len(gain['members'])} networks alone has {gain['best_accuracy']:.2%}; the gain is "
            f"{gain['gain']:+.2%} ({gain['low']:+.2%} to {gain['high']:+.2%})."
        )
    return text


def _class_row(row: dict[str, Any]) -> tuple[str, ...]:
    precision = "–" if row["precision"] is None else f"{row['precision']:.1%}"
    return escape(row["name"], NAME_CHARACTERS), f"{row['support']:,}", f"{row['recall']:.1%}", precision


def _confused(evaluation: EvaluationResult) -> str:
    """The pairs of classes that are confused most often, in words."""
    found = [
        (-rows, truth, answer)
        for truth, line in enumerate(evaluation.confusion)
        for answer, rows in enumerate(line)
        if rows and truth != answer
    ]
    names = [escape(name, NAME_CHARACTERS) for name in evaluation.classes]
    worst = sorted(found)[:CONFUSED_PAIRS]
    return ", ".join(
        f"{names[truth]} taken for {names[answer]} ({count_noun(-rows, 'image')})" for rows, truth, answer in worst
    )


def _origin(bundle: EvaluatedBundle, report: str) -> str:
    code = str(bundle.spec.lineage.get("code_version") or "unknown")
    return (
        "### Origin\n\n"
        f"[The report]({report}) is among the artifacts of the training run, with charts and all numbers. "
        f"Code {escape(code)}, bundle `{bundle.record.digest[:16]}`; the tags of this version have the rest."
    )


def _classes(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - LISTED_CLASSES:,} more" if len(names) > LISTED_CLASSES else ""
    return ", ".join(escape(name, NAME_CHARACTERS) for name in names[:LISTED_CLASSES]) + more
