"""A trained model that answers from stored pixels."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.bundles.spec_rules import COLUMNS
from forebay.errors import ModelError
from forebay.models.graph.session import GraphSession
from forebay.models.normalize import resize, standardize

PIXELS_PER_PASS = 1 << 20  # in one forward pass without gradients; bounds memory whatever the images' size


class Classifier(ABC):
    """A trained model. Several threads may use it at once.

    `examples_NHWC` are rows that it was never trained on; they are empty where its bundle holds none. `image_s` is the
    time that a prediction of one image takes, in seconds; 0 where nobody has measured it.
    """

    def __init__(self, spec: ModelSpec, examples_NHWC: NDArray[np.uint8] | None = None) -> None:
        self.spec = spec
        self.image_s = 0.0
        shape = (spec.height, spec.width, spec.channels)
        self.examples_NHWC = np.empty((0, *shape), np.uint8) if examples_NHWC is None else examples_NHWC

    def predict(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute class probabilities in fp32 on the CPU.

        Args:
            images_NHWC: uint8 pixels (N, H, W, C), 0 to 255, in the spec's size; N may be 0.

        Returns:
            float32 (N, K); rows sum to 1, columns are in the order of `spec.classes`.

        Raises:
            ModelError: the images have another shape or dtype.
        """
        spec = self.spec
        shape = (spec.height, spec.width, spec.channels)
        if images_NHWC.dtype != np.uint8 or images_NHWC.ndim != 4 or images_NHWC.shape[1:] != shape:
            raise ModelError(
                f"The model takes uint8 images of shape (N, {', '.join(map(str, shape))}), "
                f"got {images_NHWC.dtype} of shape {images_NHWC.shape}. Resize them as ingest does."
            )
        return self._predict(images_NHWC)

    @abstractmethod
    def _predict(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `predict`, of images in the spec's shape."""


class NetworkClassifier(Classifier):
    """A model of one network."""

    def __init__(self, spec: ModelSpec, network: nn.Module, examples_NHWC: NDArray[np.uint8] | None = None) -> None:
        super().__init__(spec, examples_NHWC)
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def network(self) -> nn.Module:
        """The network in evaluation mode: standardized float32 (N, C, H, W) in, logits (N, K) out."""
        return self._network  # type: ignore[no-any-return]

    @property
    def parameter_count(self) -> int:
        """How many numbers were trained."""
        return sum(parameter.numel() for parameter in self._network.parameters())

    def _predict(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._in_passes(images_NHWC, self._probabilities)

    def logits(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network gives, before temperature and softmax; images as for `predict`, float32 (N, K)."""
        return self._in_passes(images_NHWC, self._logits)

    def _in_passes(self, images_NHWC: NDArray[np.uint8], answer: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        rows = rows_per_pass(*self.spec.largest_size)
        answers = np.empty((len(images_NHWC), len(self.spec.classes)), np.float32)
        with torch.inference_mode():
            for start in range(0, len(images_NHWC), rows):
                batch = np.ascontiguousarray(images_NHWC[start : start + rows])
                answers[start : start + rows] = answer(torch.tensor(batch)).numpy()
        return answers

    def _probabilities(self, images_NHWC: Tensor) -> Tensor:
        return softmax(self._logits(images_NHWC), self.spec.temperature)

    def _logits(self, images_NHWC: Tensor) -> Tensor:
        spec = self.spec
        images = standardize(images_NHWC.permute(0, 3, 1, 2), spec.mean, spec.std)
        logits: Tensor = self._network(resize(images, spec.resize, spec.interpolation))
        return logits


class GraphClassifier(NetworkClassifier):
    """A model whose network is a graph of a bundle: its code is the user's, and is not here."""

    def __init__(self, spec: ModelSpec, session: GraphSession, examples_NHWC: NDArray[np.uint8] | None = None) -> None:
        super().__init__(spec, _GraphNetwork(session), examples_NHWC)


class _GraphNetwork(nn.Module):
    """A graph in a network's place: standardized float32 (N, C, H, W) in, logits (N, K) out."""

    def __init__(self, session: GraphSession) -> None:
        super().__init__()
        self._session = session

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return torch.from_numpy(self._session.logits(images_NCHW.numpy()))


class EnsembleClassifier(Classifier):
    """A model that answers with the mean of its members' probabilities.

    `members` answer in the order of the ensemble's classes, like the ensemble itself.
    """

    def __init__(
        self, spec: ModelSpec, networks: Sequence[nn.Module], examples_NHWC: NDArray[np.uint8] | None = None
    ) -> None:
        super().__init__(spec, examples_NHWC)
        self.members = [
            _Member(of_one, network, facts.get(COLUMNS))
            for of_one, network, facts in zip(spec.networks, networks, spec.members, strict=True)
        ]

    def _predict(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        return mean_probabilities(member.predict(images_NHWC) for member in self.members)


class _Member(NetworkClassifier):
    """A network of an ensemble, with its answer in the order of the ensemble's classes."""

    def __init__(self, spec: ModelSpec, network: nn.Module, columns: list[int] | None) -> None:
        super().__init__(spec, network)
        self._columns = columns

    def _predict(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        own = super()._predict(images_NHWC)
        return own if self._columns is None else own[:, self._columns]


def mean_probabilities(answers: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of the probabilities of one or more models, float32 (N, K) each, taken one after the other."""
    total, count = np.zeros(0, np.float32), 0
    for answer in answers:
        total, count = total + answer if count else answer, count + 1
    return total / np.float32(count)


def softmax(logits: Tensor, temperature: float) -> Tensor:
    """The probabilities of logits (N, K) that are divided by a temperature; their order is that of the logits."""
    if temperature != 1:  # differences first: two logits that differ must not become one number
        logits = (logits - logits.amax(dim=1, keepdim=True)) / temperature
    return torch.softmax(logits, dim=1)


def rows_per_pass(height: int, width: int) -> int:
    """How many images go through a network at once."""
    return max(1, PIXELS_PER_PASS // (height * width))
