"""A graph in a bundle answers as it should, or is refused before it costs anything."""

import os
import re
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from forebay.contracts.bundles.spec import GRAPH, SPEC, regular_file_sha256
from forebay.errors import ModelError
from forebay.models import load_bundle
from forebay.models.bundle_files import read_networks
from forebay.models.graph.session import working_memory_bytes
from forebay.serving.repository.load_bundle import load_for_serving
from forebay.serving.state import DesiredModel
from forebay.state import read_json, write_json
from support.graphs import linear_graph, write_graph_bundle
from support.malicious_graphs import malicious_graphs
from support.tiny_inference_server import write_bundle

SLOW_S = 20.0
BESIDE_MIB = 400  # beside what graphs may take to compute


def random_images(rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, 8, 8, 1), np.uint8)


def expected(images: np.ndarray) -> np.ndarray:
    weight, bias = (numpy_helper.to_array(tensor) for tensor in linear_graph().graph.initializer)
    logits = ((images.reshape(len(images), -1) / 255 - 0.5) / 0.25) @ weight + bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def test_a_graph_answers_uint8_images_with_probabilities(tmp_path: Path) -> None:
    write_graph_bundle(tmp_path)
    classifier, images = load_bundle(tmp_path), random_images(9_000)
    answer = classifier.predict(images)
    assert answer.dtype == np.float32
    assert np.allclose(answer, expected(images), atol=1e-5)
    assert np.allclose(classifier.predict(images[:1]), answer[:1], atol=1e-6)
    assert classifier.predict(images[:0]).shape == (0, 10)


def test_threads_may_share_a_graph(tmp_path: Path) -> None:
    write_graph_bundle(tmp_path)
    classifier, images = load_bundle(tmp_path), random_images(64)
    wanted = classifier.predict(images)
    answers: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: answers.append(classifier.predict(images))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(np.array_equal(answer, wanted) for answer in answers)


def test_a_server_loads_a_graph_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    spec = write_graph_bundle(tmp_path)
    desired = DesiredModel(bundle=str(tmp_path), version="1", weights_sha256=spec.weights_sha256)
    assert load_for_serving(desired).spec == spec
    data = bytearray((tmp_path / GRAPH).read_bytes())
    data[-40] ^= 1
    (tmp_path / GRAPH).write_bytes(data)
    with pytest.raises(ModelError, match=r"model.onnx: sha256 .* is not the"):
        load_for_serving(desired)
    (tmp_path / GRAPH).unlink()
    with pytest.raises(ModelError, match=r"holds no model.onnx"):
        load_for_serving(desired)


def test_a_spec_that_names_another_library_does_not_load_a_graph(tmp_path: Path) -> None:
    write_graph_bundle(tmp_path)
    write_json(tmp_path / SPEC, read_json(tmp_path / SPEC) | {"library": "torchvision"})
    with pytest.raises(ModelError, match=r"holds no weights.safetensors"):
        load_bundle(tmp_path)


def test_other_models_are_loaded_without_the_libraries_of_graphs(tmp_path: Path) -> None:
    write_bundle(tmp_path)
    code = (
        "import sys, pathlib, forebay.serving.repository.load_bundle, forebay.models as models; "
        "models.load_bundle(pathlib.Path(sys.argv[1])); print({'onnx', 'onnxruntime', 'onnxscript'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_weights_of_a_graph_are_not_to_be_had(tmp_path: Path) -> None:
    write_graph_bundle(tmp_path)
    with pytest.raises(ModelError, match=r"exported as a graph, from which no weights can be taken"):
        read_networks(tmp_path)


def test_each_malicious_graph_is_refused_in_words_and_costs_little(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(4 * 640))
    write_graph_bundle(tmp_path / "good")
    load_bundle(tmp_path / "good")  # imports what the others find imported
    before_KiB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wrong, count = {}, 0
    for name, graph, words in malicious_graphs(secret):
        folder = tmp_path / name
        spec = write_graph_bundle(folder, graph)
        assert spec.weights_sha256 == regular_file_sha256(folder / GRAPH)
        began, count = time.monotonic(), count + 1
        try:
            load_for_serving(DesiredModel(bundle=str(folder), version="1", weights_sha256=""))
            wrong[name] = "served"
        except ModelError as error:
            if not re.search(words, str(error)):
                wrong[name] = f"says: {error}"
        except BaseException as error:
            wrong[name] = repr(error)
        if time.monotonic() - began > SLOW_S:
            wrong[name] = "took too long"
    assert wrong == {}
    assert count >= 50
    grown_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_KiB) << 10
    assert grown_bytes < working_memory_bytes(len(os.sched_getaffinity(0)), 1 << 50) + (BESIDE_MIB << 20)
