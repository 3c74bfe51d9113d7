"""The graph of a trained network of the user's own, compared with the network on held-out rows."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from forebay.errors import ForebayError, TrainError
from forebay.models import standardize
from forebay.models.graph.check import GraphShape
from forebay.models.graph.export import export_graph
from forebay.models.graph.session import load_graph_bytes
from forebay.train.own_network import OwnNetwork
from forebay.train.plan.training_plan import TrainingPlan
from forebay.user_code.explain import describe_error

COMPARED_ROWS = 256
COMPARED_PIXELS = 1 << 20  # fewer rows of large images
TOLERANCE = 1e-4  # the largest difference of a probability between torch and the graph, both in fp32
KEPT = "The trained weights are kept, and the same command goes on from them"
_HINT = (
    "What a graph cannot hold: code that branches on the values of pixels, and random numbers in evaluation mode. "
    "docs/own-code.md has more"
)


def export_trained(plan: TrainingPlan, own: OwnNetwork, network: nn.Module, *, is_trained: bool) -> bytes:
    """Export a network, and compare what graph and network answer to held-out rows; their labels are not used.

    Args:
        plan: its data gives shape and rows.
        own: the user's code, for messages.
        network: on the CPU or a GPU; it is left in evaluation mode.
        is_trained: whether the message of an error speaks of trained weights.

    Returns:
        The graph's file.

    Raises:
        TrainError: torch cannot follow the code, no server would load the graph, or it answers otherwise.
        MachineError: a library is not installed.
    """
    data = plan.data
    shape = GraphShape(channels=data.channels, height=data.height, width=data.width, classes=len(data.classes))
    kept = f" {KEPT}." if is_trained else ""
    try:
        graph = export_graph(network, shape)
        session = load_graph_bytes(graph, shape, torch.get_num_threads())
    except ForebayError:
        raise
    except Exception as error:  # torch.export raises many kinds, and what the user's code raises
        raise TrainError(
            f"{own.name} cannot be exported to ONNX, by which it is served: {_words(error, own)}. {_HINT}.{kept}"
        ) from error
    images = held_out_images(plan)
    for part in (images[:1], images):  # a graph that was made for one number of rows differs in the other
        largest = float(np.abs(_torch_answers(network, part) - _softmax(session.logits(part.numpy()))).max())
        if not largest <= TOLERANCE:  # in this form NaN fails as well
            raise TrainError(
                f"{own.name}: the exported graph answers otherwise than the network: probabilities of {len(part)} "
                f"held-out rows differ by up to {largest:.3g}, and {TOLERANCE:g} is allowed. {_HINT}.{kept}"
            )
    return graph


def held_out_images(plan: TrainingPlan) -> Tensor:
    """The first test rows, standardized (N, C, H, W); training rows where there are no others."""
    data = plan.data
    rows = max(2, min(COMPARED_ROWS, COMPARED_PIXELS // (data.height * data.width)))
    split = next(name for name in ("test", "validation", "train") if data.splits[name])
    images_NHWC = torch.from_numpy(plan.open_split(split).images_NHWC(0, rows))
    return standardize(images_NHWC.permute(0, 3, 1, 2), data.mean, data.std).contiguous()


@torch.inference_mode()
def _torch_answers(network: nn.Module, images_NCHW: Tensor) -> NDArray[np.float32]:
    device = next(network.parameters()).device
    return _softmax(network.eval()(images_NCHW.to(device)).float().cpu().numpy())


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return torch.softmax(torch.from_numpy(logits), dim=1).numpy()


def _words(error: Exception, own: OwnNetwork) -> str:
    """What torch said, without its advice on torch; it wraps the first error into others."""
    causes = [error]
    while isinstance(causes[-1].__cause__, Exception):
        causes.append(causes[-1].__cause__)
    words = describe_error(causes[-1], str(own.factory.__module__))
    return words.split(" consider using", 1)[0].split("  (Size-like", 1)[0].rstrip(".")
