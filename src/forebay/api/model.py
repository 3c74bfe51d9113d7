"""A trained model in this process."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forebay.api.images import ImageInputs, prepare_images
from forebay.api.prediction import Prediction
from forebay.api.state_folder import PathLike
from forebay.contracts.bundles.spec import ModelSpec
from forebay.errors import ModelError
from forebay.models import Classifier
from forebay.serving.protocol.unlike_images import OriginalImage, UnlikeImages
from forebay.settings.model_names import ONNX

if TYPE_CHECKING:
    from torch import Tensor, nn


class Model:
    """A trained model in this process; `forebay.load_model` makes it. Several threads may use it at once.

    Attributes:
        name: the registered model, or the folder of the bundle.
        version: its version; empty for a bundle that is not registered.
        folder: its bundle, which holds weights, spec and training curves.
    """

    def __init__(self, classifier: Classifier, *, name: str, version: str, folder: Path) -> None:
        self._classifier = classifier
        self._unlike_images = UnlikeImages(classifier.spec)
        self.name = name
        self.version = version
        self.folder = folder

    @property
    def spec(self) -> ModelSpec:
        """What the model is: network, size and channels of its images, data and training."""
        return self._classifier.spec

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the probabilities."""
        return list(self.spec.classes)

    def predict(self, images: ImageInputs) -> list[Prediction]:
        """Say what images show, as the server does.

        Args:
            images: one or many: paths, the bytes of image files, images of Pillow's, or arrays of pixels from 0 to 255:
                (H, W), (H, W, C), (N, H, W, C), or grey (N, H, W). Any size: each is brought to size, channels and
                bits by the rules that ingest followed for the training images.

        Returns:
            One for each image, in their order. As the server does, it warns of images unlike the training images.

        Raises:
            ConfigError: a file is not there, or something is given that is no image.
            DataError: an image cannot be decoded.
        """
        originals: list[OriginalImage] = []
        prepared = prepare_images(images, self.spec, originals)
        warnings = self._unlike_images.warnings(prepared, originals) or [()] * len(prepared)
        return [
            Prediction.of(self.classes, row, version=self.version, warnings=found)
            for row, found in zip(self._classifier.predict(prepared).tolist(), warnings, strict=True)
        ]

    def predict_proba(self, images: ImageInputs) -> NDArray[np.float32]:
        """The probabilities, float32 (N, K) in the order of `classes`; see `predict`."""
        return self._classifier.predict(prepare_images(images, self.spec))

    def tensor(self, images: ImageInputs) -> "Tensor":
        """Images as `module` takes them: prepared, standardized and resized, float32 (N, C, H, W)."""
        from forebay.api.tensors import network_input

        return network_input(prepare_images(images, self.spec), self.spec)

    @property
    def module(self) -> "nn.Module":
        """The network as torch has it, in evaluation mode; the very one that `predict` uses.

        It takes float32 (N, C, H, W) and returns logits (N, K). Its input is what `tensor` makes of images: the uint8
        pixels divided by 255, minus `spec.mean` and divided by `spec.std` per channel, and then, where `spec.resize`
        is set, resized to that height and width by `spec.interpolation`.

        Raises:
            ModelError: it is no single network of torch's.
        """
        from forebay.models.classifier import GraphClassifier, NetworkClassifier

        if isinstance(self._classifier, GraphClassifier):
            raise ModelError(
                f"{self} is a network of your own, of which the bundle holds the graph and not the code, so there is "
                "no torch module. `predict` answers from the graph; `export_onnx` writes it."
            )
        if not isinstance(self._classifier, NetworkClassifier):
            raise ModelError(
                f"{self} is an ensemble of {len(self.spec.members)} networks, so there is no single torch module. "
                "Load one of the versions that it was made of."
            )
        return self._classifier.network

    def export_onnx(self, path: PathLike) -> Path:
        """Write the network as an ONNX file, checked, with the inputs and outputs of `module`.

        Args:
            path: the file, which is written whole or not at all.

        Returns:
            The path.

        Raises:
            ModelError: it is an ensemble, or the graph cannot be made or answers otherwise than the network.
            MachineError: the extra `onnx` is not installed.
            ConfigError: the file cannot be written.
        """
        from forebay.api.export_onnx import exported_graph, stored_graph, write_graph

        if self.spec.library == ONNX:
            return write_graph(Path(path), stored_graph(self.folder, self.spec))
        return write_graph(Path(path), exported_graph(self.module, self.spec, str(self)))

    def __repr__(self) -> str:
        return f"Model({self})"

    def __str__(self) -> str:
        return f"{self.name}/{self.version}" if self.version else self.name
