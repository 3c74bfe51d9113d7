"""A network of the user's own in training: made by their code, tried before the first step, errors in their words."""

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from forebay.contracts.manifest import SplitManifest
from forebay.errors import ForebayError, TrainError
from forebay.models.image_model import ImageModelFactory
from forebay.settings import TrainConfig
from forebay.settings.own_model import PACKAGE_CODE, own_model
from forebay.user_code import (
    MODELS_GROUP,
    CodeReference,
    decode_code,
    explain_user_errors,
    load_code,
    package_identity,
)
from forebay.user_code.explain import user_frames

KEYWORDS = ("channels", "height", "width", "classes")
TRIED_ROWS = 2
_PROTOCOL = "It is called with channels, height, width and classes by keyword, and returns a torch.nn.Module"


@dataclass(frozen=True)
class OwnNetwork:
    """The user's factory and its name."""

    name: str
    factory: ImageModelFactory

    @classmethod
    def load(cls, config: TrainConfig) -> "OwnNetwork | None":
        """Load what `train.model` names; None where it is a network of Forebay's. This runs the user's code.

        Raises:
            UserCodeError: the code cannot be imported, or has no such name.
            TrainError: the text of its file did not come, another version of its package is installed here, or what
                it names cannot be called.
        """
        reference = own_model(config.model)
        if reference is None:
            return None
        factory = load_code(reference, _code(reference, config), MODELS_GROUP)
        if not callable(factory):
            raise TrainError(f"{config.model} is {type(factory).__name__}, not a class or function. {_PROTOCOL}.")
        return cls(config.model, factory)

    def build(self, *, channels: int, height: int, width: int, classes: int) -> nn.Module:
        """Make the network, as `ImageModelFactory` says, and check that it can be trained and saved.

        Raises:
            UserCodeError: the code raises.
            TrainError: it takes other arguments, returns no network, or its state cannot be kept as tensors.
        """
        self._check_signature()
        with self.explained("calling it"):
            network: Any = self.factory(channels=channels, height=height, width=width, classes=classes)
        if not isinstance(network, nn.Module):
            raise TrainError(f"{self.name} returned {type(network).__name__}. {_PROTOCOL}.")
        self._check_parameters(network)
        network.register_forward_pre_hook(_contiguous)
        return network

    def build_for(self, data: SplitManifest) -> nn.Module:
        """As `build`, for the images and classes of a dataset."""
        return self.build(channels=data.channels, height=data.height, width=data.width, classes=len(data.classes))

    def try_out(self, network: nn.Module, images_NCHW: Tensor, classes: int, *, processes: int) -> None:
        """Take one step without the optimizer, so that what is wrong is found before the training begins.

        Args:
            network: as `build` made it, for this alone: its running statistics change.
            images_NCHW: standardized training images.
            classes: length of the logits.
            processes: number of processes that train together.

        Raises:
            UserCodeError: its code raises.
            TrainError: its answer has the wrong shape or is no number, or nothing in it can be trained.
        """
        labels = torch.arange(len(images_NCHW), device=images_NCHW.device) % classes
        for mode in ("evaluation", "training"):
            with self.explained(f"computing {len(images_NCHW)} images in {mode} mode"):
                logits = network.train(mode == "training")(images_NCHW)
            self._check_logits(logits, (len(images_NCHW), classes), mode)
        with self.explained("computing gradients"):
            cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        self._check_gradients(network, processes)

    def explained(self, doing: str) -> contextlib.AbstractContextManager[None]:
        """Tell errors of the user's code with their lines."""
        return explain_user_errors(self.name, doing, self._module)

    @contextlib.contextmanager
    def explained_in_training(self) -> Iterator[None]:
        """As `explained`, for a block that runs our code too: only an error with lines of the user's is told so."""
        try:
            yield
        except ForebayError:
            raise
        except Exception as error:
            if not user_frames(error.__traceback__, self._module):
                raise
            with self.explained("training it"):
                raise

    @property
    def _module(self) -> str:
        return str(self.factory.__module__)

    def _check_signature(self) -> None:
        try:
            signature = inspect.signature(self.factory)
        except (ValueError, TypeError):  # of code that is no Python; calling it tells
            return
        try:
            signature.bind(**dict.fromkeys(KEYWORDS))
        except TypeError as error:
            raise TrainError(f"{self.name} takes {signature} ({error}). {_PROTOCOL}.") from error

    def _check_parameters(self, network: nn.Module) -> None:
        lazy = next((name for name, each in network.named_parameters() if nn.parameter.is_lazy(each)), "")
        if lazy:
            raise TrainError(
                f"{self.name}: {lazy} has no size yet. Lazy layers are not trained: give the sizes, which follow from "
                "channels, height and width."
            )
        if not any(each.requires_grad for each in network.parameters()):
            raise TrainError(
                f"{self.name} has no parameters to train. Make layers attributes of the module, and lists of them "
                "nn.ModuleList."
            )
        for name, each in network.state_dict().items():
            if not isinstance(each, Tensor) or each.layout != torch.strided or each.is_quantized or each.is_complex():
                kind = each.dtype if isinstance(each, Tensor) else type(each).__name__
                raise TrainError(
                    f"{self.name}: {name} in its state is {kind}, which no checkpoint holds. Keep all state in plain "
                    "real tensors: parameters, and buffers by register_buffer."
                )

    def _check_logits(self, logits: Any, wanted: tuple[int, int], mode: str) -> None:
        if not isinstance(logits, Tensor):
            raise TrainError(
                f"{self.name} answers with {type(logits).__name__} in {mode} mode. It must return one tensor of logits "
                "of shape (N, classes)."
            )
        if tuple(logits.shape) != wanted or not logits.is_floating_point():
            raise TrainError(
                f"{self.name} answers {wanted[0]} images with {logits.dtype} of shape {tuple(logits.shape)} in {mode} "
                f"mode. It must return logits, floating point of shape (N, classes), here {wanted}."
            )
        if not bool(logits.isfinite().all()):
            raise TrainError(
                f"{self.name} answers with NaN or infinity in {mode} mode before it is trained. Look for divisions, "
                "logarithms and the initial weights."
            )

    def _check_gradients(self, network: nn.Module, processes: int) -> None:
        trained = {name: each for name, each in network.named_parameters() if each.requires_grad}
        unused = sorted(name for name, each in trained.items() if each.grad is None)
        if len(unused) == len(trained):
            raise TrainError(f"{self.name}: no parameter has a part in the answer, so nothing can be trained.")
        if unused and processes > 1:
            raise TrainError(
                f"{self.name}: {unused[0]} has no part in the answer, and {processes} processes cannot train such a "
                "network together. Remove it, or set its requires_grad to False."
            )


def _code(reference: CodeReference, config: TrainConfig) -> str:
    """The text of the user's file; empty for a package, whose code must be the one that the run was started with."""
    if reference.file:
        if not config.model_code or config.model_code.startswith(PACKAGE_CODE):
            raise TrainError(
                f"train.model={config.model} came without the text of its file. The command line puts it into "
                "train.model_code; in the Kubeflow UI, paste there what docs/own-code.md tells how to make."
            )
        return decode_code(config.model_code, "train.model_code")
    if config.model_code.startswith(PACKAGE_CODE):
        found = f"{PACKAGE_CODE}{package_identity(reference, MODELS_GROUP)}"
        if found != config.model_code:
            raise TrainError(
                f"{config.model}: the package that is installed here is not the one with which the run was started. "
                "Install the same version in both places (the container image, and where the command was given)."
            )
    return ""


def _contiguous(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Batches come in channels_last, where `view` fails in code that was written for torch's usual layout.

    A copy, because `contiguous` leaves the strides of grey images as they are, and layers follow them.
    """
    return (arguments[0].clone(memory_format=torch.contiguous_format), *arguments[1:])
