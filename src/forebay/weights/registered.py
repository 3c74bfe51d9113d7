"""Weights of a registered version, compared with what the registry recorded."""

from forebay.contracts.bundles.spec import WEIGHTS, ModelSpec, read_unverified_spec
from forebay.registry import resolve
from forebay.settings.model_names import ONNX
from forebay.state import Home
from forebay.weights.errors import WeightsError
from forebay.weights.pretrained import InputFormat, PretrainedWeights

PREFIX = "models:/"


def registered_weights(home: Home, reference: str) -> PretrainedWeights:
    """The weights of `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

    Raises:
        ModelError: there is no such version, or its files are not those that were registered.
        WeightsError: it holds no weights that can be trained on.
    """
    found = resolve(home, reference.removeprefix(PREFIX))
    spec = read_unverified_spec(found.folder)  # `resolve` compared it with the registry's digest
    version = f"{PREFIX}{found.name}/{found.version}"
    check_trainable(spec, version)
    return PretrainedWeights(
        path=found.folder / WEIGHTS,
        sha256=spec.weights_sha256,
        source=version,
        library=spec.library,
        architecture=spec.architecture,
        input=_input_format(spec),
        options=spec.options,
        registered=True,
    )


def check_trainable(spec: ModelSpec, version: str) -> None:
    """Refuse a version that holds no weights of one network.

    Raises:
        WeightsError: it is a graph or an ensemble.
    """
    if spec.library == ONNX:
        raise WeightsError(
            f"{version} is the exported graph of a network of the user's own, which cannot be trained further. "
            "Train that network anew, or give other weights."
        )
    if spec.members:
        raise WeightsError(
            f"{version} is an ensemble of {len(spec.members)} networks, and training begins with one. Give the version "
            "of one member."
        )


def _input_format(spec: ModelSpec) -> InputFormat:
    height, width = spec.network_size
    return InputFormat(
        height=height, width=width, mean=tuple(spec.mean), std=tuple(spec.std), interpolation=spec.interpolation
    )
