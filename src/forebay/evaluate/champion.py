"""The gate's edge: fetch the champion, let it answer the same rows, and ask the pure functions of `gate`."""

from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from forebay import registry
from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.class_names import class_list
from forebay.contracts.shards import DatasetSplit
from forebay.errors import ModelError
from forebay.evaluate import baseline, gate
from forebay.evaluate.predict import predict
from forebay.settings import EvaluateConfig
from forebay.state import StepLog


def decide(
    name: str,
    spec: ModelSpec,
    test: DatasetSplit,
    split_kind: str,
    right: NDArray[np.bool_],
    config: EvaluateConfig,
    log: StepLog,
) -> gate.Verdict:
    """May the candidate be deployed under this registered name?

    Args:
        name: registered model name.
        spec: the candidate's.
        split_kind: how its rows were split, hash or source.
        right: bool, one per test row: the candidate's answer is the label.

    Raises:
        ModelError: there is a champion and it cannot be loaded.
    """
    support = np.bincount(test.labels, minlength=len(spec.classes))
    unjudged = [spec.classes[label] for label in np.flatnonzero(support == 0)]
    if unjudged:
        log.warn(f"no held-out row shows {class_list(unjudged)}: not judged, and in no average")
    verdict = gate.minimum(int(right.sum()), len(right), config.min_accuracy)
    constant = None
    hardly: list[str] = []
    if config.baseline == baseline.LARGEST_CLASS:
        constant = baseline.against_largest_class(test.labels, right, spec.classes)
        verdict = verdict or baseline.refusal(constant, config)
        judged = [spec.classes[label] for label in np.flatnonzero(support)]
        if text := baseline.doubt(constant, judged, config):
            log.warn(text)
            hardly = [name for name in judged if name != constant.class_name]
    verdict = verdict or _beside_champion(name, spec, test, split_kind, right, config, log)
    return replace(verdict.naming(unjudged, hardly), baseline=asdict(constant) if constant else None)


def _beside_champion(
    name: str,
    spec: ModelSpec,
    test: DatasetSplit,
    split_kind: str,
    right: NDArray[np.bool_],
    config: EvaluateConfig,
    log: StepLog,
) -> gate.Verdict:
    bundle = registry.champion(log.home, name, check=False)
    if bundle is not None and bundle.note:
        log.warn(bundle.note)
    if bundle is None:
        reached = f"accuracy {right.mean():.4f} reaches evaluate.min_accuracy {config.min_accuracy}"
        return gate.Verdict(passed=True, reason=f"{reached}, and {name} has no champion yet")
    return _challenge(bundle, spec, test, split_kind, right, config, log)


def _challenge(
    bundle: registry.RegisteredBundle,
    spec: ModelSpec,
    test: DatasetSplit,
    split_kind: str,
    right: NDArray[np.bool_],
    config: EvaluateConfig,
    log: StepLog,
) -> gate.Verdict:
    from forebay.models import load_bundle

    name, version = bundle.name, bundle.version
    try:
        registry.check_registered(log.home, bundle)
        champion = load_bundle(bundle.folder, bundle.record)
    except ModelError as error:
        raise ModelError(
            f"The champion {name} version {version} cannot be loaded, so nothing can be compared with it: {error} "
            "`forebay rollback` makes the champion before it champion again; --name starts a new registered model."
        ) from error
    refusal = gate.incomparable(spec, champion.spec, name, version)
    if refusal:
        return refusal
    if champion.spec.predicts_like(spec):
        return gate.same_weights(name, version)
    shared = gate.held_out_for(champion.spec, split_kind, test.sha256)
    if shared is None or not shared.any():
        return gate.no_shared_rows(name, version)
    predicted = predict(champion, test, log).argmax(axis=1)
    comparison = gate.compare(test.labels[shared], right[shared], (predicted == test.labels)[shared], spec.classes)
    return gate.judge(comparison, name, version, config)
