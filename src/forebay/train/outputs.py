"""What the train step writes: the bundle, the training curves and a few example rows."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import nn

from forebay.contracts.bundles.ensemble_spec import ensemble_spec
from forebay.contracts.bundles.examples import example_rows, write_examples
from forebay.contracts.bundles.spec import HISTORY, ModelSpec
from forebay.contracts.calibration import FEWEST_ROWS
from forebay.models import build, save_bundle
from forebay.models.architectures import library_version
from forebay.models.bundle_files import ensemble_weights, graph_shape, save_graph_bundle
from forebay.models.classifier import GraphClassifier, NetworkClassifier
from forebay.models.graph.session import load_graph_bytes
from forebay.models.weights import check_finite, load_weights
from forebay.settings.own_model import architecture_of, own_model
from forebay.state import seal, write_json
from forebay.train.calibration import validation_temperature
from forebay.train.export_network import export_trained
from forebay.train.own_network import OwnNetwork
from forebay.train.session import TrainedNetwork
from forebay.train.torch_limits import torch_threads
from forebay.train.training_images import training_image_facts


def write_outputs(members: Sequence[TrainedNetwork], mlflow_run_id: str | None, out: Path) -> ModelSpec:
    """Write the bundle of a finished training and seal its folder.

    Args:
        members: the trained network, or several that answer together.
        mlflow_run_id: the run to which the model belongs.
        out: receives the files.

    Raises:
        ModelError: several networks cannot be one model.
        TrainError: the user's own network cannot be exported as a graph.
    """
    only = members[0]
    graph = _graph(only, only.plan.own_network) if only.plan.own_network else b""
    spec = _calibrated_spec(only, mlflow_run_id, graph) if len(members) == 1 else _ensemble_spec(members, mlflow_run_id)
    images = training_image_facts(only.plan.data, only.plan.open_split("train"))
    spec = replace(spec, training_images=images)
    if graph:
        spec = save_graph_bundle(out, spec, graph)
    elif len(members) == 1:
        spec = save_bundle(out, spec, only.weights)
    else:
        spec = save_bundle(out, spec, ensemble_weights([member.weights for member in members]))
    write_json(out / HISTORY, _history(members))
    data = only.plan.data
    rows = example_rows(data.height, data.width, data.channels)
    write_examples(out, only.plan.open_split("test").images_NHWC(0, rows))
    seal(out)
    return spec


def _graph(trained: TrainedNetwork, own: OwnNetwork) -> bytes:
    network = own.build_for(trained.plan.data)
    load_weights(network, trained.weights)
    check_finite(dict(network.named_parameters()), own.name)  # a buffer may hold infinity, such as a mask
    with torch_threads(trained.plan.settings.threads):
        return export_trained(trained.plan, own, network, is_trained=True)


def _calibrated_spec(trained: TrainedNetwork, mlflow_run_id: str | None, graph: bytes = b"") -> ModelSpec:
    """The spec of a network with the temperature of what a server will run: the graph, where there is one."""
    spec, threads = _network_spec(trained, mlflow_run_id), trained.plan.settings.threads
    if trained.plan.data.splits["validation"] < FEWEST_ROWS:
        return spec
    with torch_threads(threads):
        classifier: NetworkClassifier
        if graph:
            classifier = GraphClassifier(spec, load_graph_bytes(graph, graph_shape(spec), threads))
        else:
            classifier = NetworkClassifier(spec, _rebuilt(spec, trained))
        return replace(spec, temperature=validation_temperature(classifier, trained.plan.open_split("validation")))


def _rebuilt(spec: ModelSpec, trained: TrainedNetwork) -> nn.Module:
    shape = (spec.channels, *spec.network_size, len(spec.classes))
    network = build(spec.architecture, spec.options, *shape, library=spec.library)
    load_weights(network, trained.weights)
    return network


def _network_spec(trained: TrainedNetwork, mlflow_run_id: str | None) -> ModelSpec:
    plan, data = trained.plan, trained.plan.data
    own = own_model(plan.settings.model) if plan.own_network else None
    return ModelSpec(
        library=plan.settings.library,
        library_version="" if own else library_version(plan.settings.library),  # a graph says its opset itself
        architecture=architecture_of(own) if own else plan.settings.model,
        options=plan.settings.options,
        classes=data.classes, height=data.height, width=data.width, channels=data.channels,
        mean=plan.settings.mean, std=plan.settings.std,
        resize=plan.settings.resize, interpolation=plan.settings.interpolation,
        weights_sha256="",  # filled in by save_bundle
        fit=data.fit, bits=data.bits,
        training=plan.training_facts,
        data=data.data_facts,
        lineage={"code_version": plan.code_version, "mlflow_run_id": mlflow_run_id},
    )  # fmt: skip


def _ensemble_spec(members: Sequence[TrainedNetwork], mlflow_run_id: str | None) -> ModelSpec:
    seeds = [member.plan.settings.seed for member in members]
    models = {f"seed {seed}": _calibrated_spec(member, None) for seed, member in zip(seeds, members, strict=True)}
    first = next(iter(models.values()))
    origins = [
        {"name": name, "mlflow_run_id": member.mlflow_run_id} for name, member in zip(models, members, strict=True)
    ]
    return ensemble_spec(
        models, first.classes,
        training={**first.training, "members": len(members), "seeds": seeds},
        data=first.data,
        lineage={**first.lineage, "mlflow_run_id": mlflow_run_id, "members": origins},
    )  # fmt: skip


def _history(members: Sequence[TrainedNetwork]) -> list[dict[str, Any]]:
    """The curves; those of several members one after the other, each point with the number of its member."""
    if len(members) == 1:
        return [asdict(record) for record in members[0].history]
    return [{"member": member.plan.member.number, **asdict(record)} for member in members for record in member.history]
