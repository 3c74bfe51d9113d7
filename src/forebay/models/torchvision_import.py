"""`import torchvision`, also where its compiled operators do not fit the installed torch.

torchvision's wheel on the package index is built for CUDA. Beside a CPU build of torch its operator library does not
load, and the import ends with `operator torchvision::nms does not exist`, because the package registers gradients for
operators that were never defined. Classification models need none of them. So on exactly that error this module defines
the two operator schemas, without an implementation, and tries the import once more. Where the native library loads, the
first import succeeds and this module does nothing.
"""

import sys
import threading
from types import ModuleType

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_lock = threading.Lock()  # a server loads several models at once
_kept: list[torch.library.Library] = []  # a schema vanishes with the library object that defined it


def import_torchvision() -> ModuleType:
    """Import torchvision with its models.

    Raises:
        RuntimeError: the import failed for another reason.
    """
    with _lock:
        try:
            import torchvision
        except RuntimeError as error:
            if "operator torchvision::nms does not exist" not in str(error):
                raise
            _define_missing_operators()
            import torchvision
    return torchvision  # type: ignore[no-any-return]


def _define_missing_operators() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    _kept.append(library)
