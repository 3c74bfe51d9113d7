"""A network of the user's own through the whole pipeline: trained, judged, registered, deployed, asked over REST."""

import json
import urllib.request
from typing import Any

import numpy as np

from forebay import registry, tracking
from forebay.register.pyfunc import _load_pyfunc
from forebay.state import Home
from support.forebay_command import Forebay, ForebayHere, cached_steps
from support.own_networks import CONV

RUN = ("run", "--model", "code/net.py:Net", "--set", "train.epochs=12")
REFUSED = ("--set", "evaluate.min_accuracy=1")  # the run ends at the gate, where the claim is about what is before it


def ask(url: str, images: np.ndarray) -> dict[str, Any]:
    body = json.dumps({"instances": images.tolist()}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read())  # type: ignore[no-any-return]


def test_it_goes_from_a_file_to_an_answer_and_its_text_decides_what_is_cached(forebay: Forebay) -> None:
    (forebay.folder / "code").mkdir()
    net = forebay.folder / "code" / "net.py"
    net.write_text(CONV)
    first = forebay.json(*RUN)
    assert (first["state"], first["model"]["version"]) == ("done", "1")
    assert first["accuracy"]["value"] > 0.9
    plan = json.loads((forebay.home / "runs" / first["run_id"] / "run.json").read_text())
    assert plan["parameters"]["train_model"] == "net.py:Net"

    bundle = registry.resolve(Home(forebay.home).open(), "digits@champion").folder
    assert (bundle / "model.onnx").is_file()
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)
    answers = ask(first["url"], images[..., 0])["predictions"]
    loaded = _load_pyfunc(str(bundle)).predict(images)  # as MLflow loads the version
    assert np.allclose([each["probabilities"] for each in answers], loaded, atol=1e-5)

    net.rename(forebay.folder / "net.py")  # another folder and the same text
    moved = ("run", "--model", "net.py:Net", "--set", "train.epochs=12", *REFUSED)
    again = forebay.json(*moved, expect=3)
    assert "train" in cached_steps(again)
    (forebay.folder / "net.py").write_text(CONV.replace("0.2", "0.1"))
    changed = forebay.json(*moved, expect=3)
    assert {"ingest", "preprocess"} <= set(cached_steps(changed))
    assert "train" not in cached_steps(changed)
    client = tracking.client(Home(forebay.home))
    version = client.get_model_version("digits", "1")
    client.create_model_version("digits", version.source, version.run_id, version.tags)
    refused = ForebayHere(forebay.folder)("ensemble", "digits", "1", "2", expect=2)
    assert "digits/1 is an exported graph (ONNX), and an ensemble is made of networks" in refused.stderr
