"""Ensembles end to end: trained members, registered versions put together, and one answer over REST."""

import json
import urllib.request
from typing import Any

import numpy as np

from forebay import registry
from forebay.models import load_bundle
from forebay.state import Home
from support.forebay_command import Forebay, ForebayHere, cached_steps

QUICK = ("--model", "mlp", "--set", "train.epochs=4", "--set", "evaluate.max_class_drop=1")


def test_members_are_trained_and_versions_put_together_and_one_model_answers(forebay: Forebay) -> None:
    first = forebay.json("run", *QUICK)
    assert first["ensemble"] is None
    trained = forebay.json("run", *QUICK, "--set", "train.members=2", "--seed", "5")
    assert trained["ensemble"]["members"] == 2
    assert trained["ensemble"]["best"] in ("seed 5", "seed 6")
    assert trained["model"]["version"] == "2"

    made = forebay.json("ensemble", "digits", "1", "champion")
    assert cached_steps(made) == {"ingest", "preprocess"}, "the data are those of the run that made the versions"
    assert made["gate"]["passed"] is True
    assert made["model"]["version"] == "3"
    assert made["ensemble"]["members"] == 3
    assert made["accuracy"]["rows"] == first["accuracy"]["rows"]
    images = _digits()
    alone = _members(forebay)
    answers = _ask(made["url"], images)
    np.testing.assert_allclose(
        [answer["probabilities"] for answer in answers], sum(member.predict(images) for member in alone) / 3, atol=1e-6
    )
    assert {answer["model_version"] for answer in answers} == {"3"}
    text = ForebayHere(forebay.folder)("status").stdout
    assert "ensemble" in text
    assert "3 members" in text
    _refusals(ForebayHere(forebay.folder))


def _refusals(cli: Forebay) -> None:
    for words, reason in (
        (("9", "1"), "digits has no version '9'. Its versions, newest first: 3, 2, 1"),
        (("1",), "An ensemble has two versions or more, and digits/1 is one"),
        (("1", "digits/1"), "digits/1 is given twice"),
        (("champion", "3"), "digits/3 is given twice"),
        (("newest", "1"), "digits has no alias 'newest'. Its aliases: champion (version 3)"),
        (("1", "nobody/1"), "There is no registered model 'nobody'"),
        (("1", "2", "--set", "train.epochs=3"), "nothing is trained here"),
    ):
        ended = cli("ensemble", "digits", *words, expect=2)
        assert reason in ended.stderr, words
    renamed = cli("ensemble", "Digits!", "digits/1", "digits/2", expect=2)
    assert "evaluate.name must look like my-model" in renamed.stderr


def _members(forebay: Forebay) -> list[Any]:
    home = Home(forebay.home)
    bundles = [load_bundle(registry.resolve(home, f"digits/{version}").folder) for version in (1, 2)]
    return [bundles[0], *bundles[1].members]  # type: ignore[attr-defined]


def _digits() -> Any:
    from sklearn.datasets import load_digits

    return np.rint(load_digits().images[:20] * (255 / 16)).astype(np.uint8)[..., None]


def _ask(url: str, images: Any) -> list[dict[str, Any]]:
    request = urllib.request.Request(url, json.dumps({"instances": images.tolist()}).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"]  # type: ignore[no-any-return]
