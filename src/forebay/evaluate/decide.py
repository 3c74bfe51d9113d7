"""The gate's edge: it fetches the champion, has it answer the same rows, and applies the rules of `gate`."""

from dataclasses import asdict, dataclass, replace

import numpy as np

from forebay import registry
from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.class_names import class_list
from forebay.contracts.shards import DatasetSplit
from forebay.errors import ModelError
from forebay.evaluate import baseline, gate
from forebay.evaluate.comparison import BoolArray, compare_with_champion, held_out_for
from forebay.evaluate.gate import GateDecision
from forebay.evaluate.predict import predict
from forebay.settings import EvaluateConfig
from forebay.state import StepLog


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The model to decide on, with its answers for the held-out rows."""

    name: str  # the registered model name that it would get
    spec: ModelSpec
    test: DatasetSplit  # the held-out rows
    split_kind: str  # how they were split, hash or source
    is_right: BoolArray  # one per row: the model's answer is the label


def decide(candidate: Candidate, config: EvaluateConfig, log: StepLog) -> GateDecision:
    """May the candidate be deployed under its name?

    Raises:
        ModelError: there is a champion and it cannot be loaded.
    """
    classes = candidate.spec.classes
    support = np.bincount(candidate.test.labels, minlength=len(classes))
    judged = [classes[label] for label in np.flatnonzero(support)]
    unjudged = [classes[label] for label in np.flatnonzero(support == 0)]
    if unjudged:
        log.warn(f"no held-out row shows {class_list(unjudged)}: not judged, and in no average")
    decision = gate.check_min_accuracy(int(candidate.is_right.sum()), len(candidate.is_right), config.min_accuracy)
    constant = None
    hardly_judged: list[str] = []
    if config.baseline == baseline.LARGEST_CLASS:
        constant = baseline.compare_with_largest_class(candidate.test.labels, candidate.is_right, classes)
        decision = decision or baseline.check_baseline(constant, config)
        if note := baseline.uncertainty_note(constant, judged, config):
            log.warn(note)
            hardly_judged = [name for name in judged if name != constant.class_name]
    decision = decision or _compare(candidate, config, log)
    return replace(decision.with_unjudged(unjudged, hardly_judged), baseline=asdict(constant) if constant else None)


def _compare(candidate: Candidate, config: EvaluateConfig, log: StepLog) -> GateDecision:
    """Decide by the champion, where there is one."""
    bundle = registry.champion(log.home, candidate.name, check=False)
    if bundle is None:
        return gate.accept_first_model(candidate.name, float(candidate.is_right.mean()), config.min_accuracy)
    if bundle.note:
        log.warn(bundle.note)
    return _compare_with(bundle, candidate, config, log)


def _compare_with(
    bundle: registry.RegisteredBundle, candidate: Candidate, config: EvaluateConfig, log: StepLog
) -> GateDecision:
    from forebay.models import load_bundle

    name, version, test = bundle.name, bundle.version, candidate.test
    try:
        registry.check_registered(log.home, bundle)
        champion = load_bundle(bundle.folder, bundle.record)
    except ModelError as error:
        raise ModelError(
            f"The champion {name} version {version} cannot be loaded, so nothing can be compared with it: {error} "
            "`forebay rollback` makes the champion before it champion again; --name starts a new registered model."
        ) from error
    refusal = gate.check_same_task(candidate.spec, champion.spec, name, version)
    if refusal:
        return refusal
    if champion.spec.predicts_like(candidate.spec):
        return gate.accept_champion_itself(name, version)
    shared = held_out_for(champion.spec, candidate.split_kind, test.sha256)
    if shared is None or not shared.any():
        return gate.refuse_without_shared_rows(name, version)
    champion_right = predict(champion, test, log).argmax(axis=1) == test.labels
    comparison = compare_with_champion(
        test.labels[shared], candidate.is_right[shared], champion_right[shared], candidate.spec.classes
    )
    return gate.decide_by_comparison(comparison, name, version, config)
