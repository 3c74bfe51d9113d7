"""A graph that answers, through ONNX Runtime on the CPU."""

import os
import threading
from io import BufferedReader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.errors import ModelError
from forebay.models.graph.check import GraphShape, check_graph
from forebay.models.graph.libraries import import_for_graphs
from forebay.models.graph.limits import INPUT, OUTPUT, PIXELS_PER_RUN
from forebay.models.memory import usable_memory_bytes

WORKING_MEMORY = 1 << 30  # bytes that all graphs of a process may take to compute, and for each core
WORKING_MEMORY_PER_CORE = 128 << 20  # as many more; never more than half of what is free
LEAST_WORKING_MEMORY = 256 << 20
_lock = threading.Lock()
_working_memory = 0  # what all graphs of this process may take to compute, in bytes; 0 before the first


class GraphSession:
    """A loaded graph. Several threads may use it at once."""

    def __init__(self, session: Any, shape: GraphShape) -> None:
        self._session = session
        self._rows = max(1, PIXELS_PER_RUN // (shape.height * shape.width))
        self._classes = shape.classes

    def logits(self, images_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the logits.

        Args:
            images_NCHW: float32 (N, C, H, W), standardized, in the graph's size.

        Returns:
            float32 (N, K).

        Raises:
            ModelError: the graph takes more memory than it may, or gives another shape.
        """
        logits = np.empty((len(images_NCHW), self._classes), np.float32)
        for start in range(0, len(images_NCHW), self._rows):
            part = np.ascontiguousarray(images_NCHW[start : start + self._rows])
            logits[start : start + self._rows] = self._run(part)
        return logits

    def _run(self, images_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            (found,) = self._session.run([OUTPUT], {INPUT: images_NCHW}, _run_options())
        except Exception as error:  # ONNX Runtime raises classes of its own, which share no base
            raise ModelError(_cannot_compute(error)) from error
        wanted = (len(images_NCHW), self._classes)
        if found.shape != wanted:
            raise ModelError(f"The graph answers {wanted[0]} images with numbers of shape {found.shape}, not {wanted}.")
        return found  # type: ignore[no-any-return]


def load_graph(file: BufferedReader, shape: GraphShape, threads: int) -> GraphSession:
    """Check a graph and load it.

    Args:
        file: an open regular file.
        shape: what the graph must take and give.
        threads: how many threads compute one answer.

    Raises:
        ValueError: the file is no graph of ours; the text says why.
        MachineError: onnxruntime is not installed.
    """
    check_graph(file, shape)
    # Opened by its descriptor: this very file was checked, and its name may lead to another file by now.
    return _session(f"/dev/fd/{file.fileno()}", shape, threads)


def load_graph_bytes(data: bytes, shape: GraphShape, threads: int) -> GraphSession:
    """As `load_graph`, for a graph that this process has just made."""
    return _session(data, shape, threads)


def _session(source: str | bytes, shape: GraphShape, threads: int) -> GraphSession:
    (runtime,) = import_for_graphs("onnxruntime")
    try:
        session = runtime.InferenceSession(
            source, _session_options(runtime, threads), providers=["CPUExecutionProvider"],
            disabled_optimizers=["ConstantFolding"],  # it computes, while it loads, in memory that nothing bounds
        )  # fmt: skip
    except Exception as error:  # as above
        raise ValueError(f"ONNX Runtime does not take it: {_words(error)}") from error
    return GraphSession(session, shape)


def _session_options(runtime: Any, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters is raised
    options.enable_mem_pattern = False  # the number of rows changes
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    _bound_memory(runtime)
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")  # a dropped model is freed
    return options


def _bound_memory(runtime: Any) -> None:
    """Make all graphs of this process compute in one bounded part of memory: an operator may ask for any size."""
    global _working_memory
    with _lock:
        if _working_memory:
            return
        most = working_memory_bytes(len(os.sched_getaffinity(0)), usable_memory_bytes())
        kind = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
        as_requested = 1  # and not twice as much each time
        arena = runtime.OrtArenaCfg({"max_mem": most, "arena_extend_strategy": as_requested})
        runtime.create_and_register_allocator(kind, arena)
        _working_memory = most


def working_memory_bytes(cores: int, usable_bytes: int) -> int:
    """What all graphs of a process may take to compute; a server answers up to two requests for each core at once."""
    return max(LEAST_WORKING_MEMORY, min(WORKING_MEMORY + cores * WORKING_MEMORY_PER_CORE, usable_bytes // 2))


def _run_options() -> Any:
    (runtime,) = import_for_graphs("onnxruntime")
    options = runtime.RunOptions()
    options.log_severity_level = 4
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")  # give back what no run holds
    return options


def _cannot_compute(error: Exception) -> str:
    words = _words(error)
    if "Available memory" in words or "Failed to allocate memory" in words:
        return (
            f"The graph needs more memory than the {_working_memory >> 20} MiB that it may take here. Train with a "
            "smaller ingest.size or a smaller network, or give this process more memory."
        )
    return f"The graph cannot compute: {words}"


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
