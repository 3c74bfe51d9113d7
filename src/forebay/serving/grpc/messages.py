"""The KServe SDK's generated messages, without the SDK: importing it takes seconds, during which nobody is answered."""

import importlib.util
from pathlib import Path
from typing import Any

_MODULE = "kserve/protocol/grpc/grpc_predict_v2_pb2.py"


def _load() -> Any:
    found = importlib.util.find_spec("kserve")  # finds the package, and does not import it
    assert found is not None
    assert found.origin is not None
    spec = importlib.util.spec_from_file_location("grpc_predict_v2_pb2", Path(found.origin).parents[1] / _MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pb = _load()
