"""A model as an ONNX file: written, checked, and compared with the network."""

from pathlib import Path
from typing import TYPE_CHECKING

from forebay.contracts.bundles.spec import GRAPH, regular_file_sha256
from forebay.errors import ConfigError, ForebayError, ModelError
from forebay.settings.model_names import ONNX
from forebay.state.files import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from forebay.api.model import Model

TOLERANCE = 1e-3  # the largest difference of a logit, both in fp32
COMPARED_ROWS = 8


def export_onnx(model: "Model", path: Path) -> Path:
    """See `Model.export_onnx`."""
    graph = _stored_graph(model) if model.spec.library == ONNX else _exported_graph(model)
    try:
        write_bytes(path, graph)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def _stored_graph(model: "Model") -> bytes:
    """The graph that the bundle holds, which was checked when it was loaded."""
    stored = model.folder / GRAPH
    if regular_file_sha256(stored) != model.spec.weights_sha256:
        raise ModelError(f"{stored} was changed since {model} was loaded. Load the model again.")
    return stored.read_bytes()


def _exported_graph(model: "Model") -> bytes:
    from forebay.models.bundle_files import graph_shape
    from forebay.models.graph.export import export_graph
    from forebay.models.graph.session import load_graph_bytes

    network, shape = model.module, graph_shape(model.spec)
    try:
        graph = export_graph(network, shape)
        session = load_graph_bytes(graph, shape, 1)
    except ForebayError:
        raise
    except Exception as error:  # torch's exporter raises many kinds
        words = " ".join(str(error).split())[:300]
        raise ModelError(f"{model} ({model.spec.architecture}) cannot be exported to ONNX: {words}") from error
    images_NCHW, logits = _example_answers(model)
    difference = float(abs(session.logits(images_NCHW) - logits).max())
    if not difference <= TOLERANCE:  # in this form NaN fails as well
        raise ModelError(
            f"{model}: the graph answers otherwise than the network (logits differ by up to {difference:.3g}), so it "
            "was not written. Take `module` instead."
        )
    return graph


def _example_answers(model: "Model") -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
    """Images as the network takes them, and its logits: random pixels, which every model can answer."""
    import numpy as np
    import torch

    shape = (COMPARED_ROWS, model.spec.height, model.spec.width, model.spec.channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    images_NCHW = model.tensor(pixels).contiguous()
    with torch.inference_mode():
        return images_NCHW.numpy(), model.module(images_NCHW).float().numpy()
