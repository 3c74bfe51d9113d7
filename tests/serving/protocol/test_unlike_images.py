"""Images unlike those of the training: which ones get a warning, in which words, and that others get none."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.contracts.training_images import common_facts, source_facts
from forebay.images.statistics import image_statistics
from forebay.serving.protocol.unlike_images import OriginalImage, UnlikeImages, joined_warnings
from forebay.train.training_images import training_image_facts
from support.tiny_inference_server import RunningServer

GREY_DIGITS = source_facts({"8x8": 1797}, 8, 8, colours=0)


@pytest.fixture(scope="module")
def data(digits_shards: Path) -> SplitManifest:
    return SplitManifest.read(digits_shards)


@pytest.fixture(scope="module")
def spec(data: SplitManifest, digits_shards: Path) -> ModelSpec:
    facts = training_image_facts(replace(data, source_facts=GREY_DIGITS), open_split(digits_shards, data, "train"))
    return ModelSpec(
        architecture="mlp", options={}, classes=data.classes, height=8, width=8, channels=1, mean=data.mean,
        std=data.std, weights_sha256="0" * 64, training_images=facts, fit="crop",
    )  # fmt: skip


def held_out(digits_shards: Path, data: SplitManifest) -> NDArray[np.uint8]:
    return np.concatenate([open_split(digits_shards, data, name).images_NHWC() for name in ("validation", "test")])


def test_fewer_than_one_in_a_hundred_held_out_digits_is_called_unlike(
    spec: ModelSpec, data: SplitManifest, digits_shards: Path
) -> None:
    images = held_out(digits_shards, data)
    assert sum(map(bool, UnlikeImages(spec).warnings(images))) < 0.01 * len(images)


def test_inverted_scaled_blank_and_smooth_images_are_called_unlike(
    spec: ModelSpec, data: SplitManifest, digits_shards: Path
) -> None:
    images, unlike = held_out(digits_shards, data), UnlikeImages(spec)
    ramp = np.tile(np.linspace(60, 160, 8).astype(np.uint8), (1, 8, 1))[..., None]
    for others in (255 - images, images // 16, np.zeros_like(images[:1]), ramp):
        assert all(unlike.warnings(others))
    low, high = spec.training_images["low"][0], spec.training_images["high"][0]
    (text,) = unlike.warnings(np.full((1, 8, 8, 1), 255, np.uint8))[0]
    distance = (1 - high) / (high - low)
    assert text == (
        f"unlike the training images: brightness 1.00, theirs {low:.2f} to {high:.2f}; distance {distance:.2f}, and "
        "0.25 is far"
    )


PHOTO = OriginalImage(427, 640, has_colours=True)
SHRUNK = "shrunk 65 times, from 427x640 to 8x8"
WIDE = "24x60 has another aspect ratio than 8x8: its ends were cut off"
CHANGES: dict[str, tuple[OriginalImage, dict[str, Any], list[str]]] = {
    "a photo": (PHOTO, {}, ["colours were made grey: the model was trained on grey images", SHRUNK]),
    "as large in training": (PHOTO, {"shrink": 40.0, "grey": False}, []),
    "colours in training, but small": (PHOTO, {"grey": False}, [SHRUNK]),
    "a wide scan": (OriginalImage(24, 60, has_colours=False), {}, [WIDE]),
    "as wide in training": (OriginalImage(24, 60, has_colours=False), {"aspects": [0.5, 2.2]}, []),
    "a small scan": (OriginalImage(64, 64, has_colours=False), {}, []),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_told_where_no_training_image_was_changed_as_much(
    case: str, spec: ModelSpec, data: SplitManifest, digits_shards: Path
) -> None:
    original, facts, expected = CHANGES[case]
    trained = replace(spec, training_images={**spec.training_images, **facts})
    found = UnlikeImages(trained).warnings(held_out(digits_shards, data)[:1], [original])
    assert list(found[0]) == expected if expected else not found


def test_a_bundle_without_a_record_makes_no_warnings_and_what_is_not_known_none_either(spec: ModelSpec) -> None:
    black = np.zeros((1, 8, 8, 1), np.uint8)
    assert UnlikeImages(replace(spec, training_images={})).warnings(black, [PHOTO]) == ()
    limits = {key: spec.training_images[key] for key in ("rows", "low", "high")}
    assert len(UnlikeImages(replace(spec, training_images=limits)).warnings(black, [PHOTO])[0]) == 1


def test_a_grey_image_that_is_stored_as_colours_counts_as_grey() -> None:
    grey = np.repeat(np.random.default_rng(0).integers(0, 256, (200, 300, 1), np.uint8), 3, axis=2)
    assert OriginalImage.of(grey) == (200, 300, False)
    grey[..., 0] //= 2
    assert OriginalImage.of(grey).has_colours


def test_the_statistics_are_what_numpy_computes() -> None:
    for shape in ((3, 9, 7, 1), (2, 5, 6, 3), (1, 300, 200, 3), (1, 1, 1, 1)):
        images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        every = -(-shape[1] * shape[2] // 3072)
        for image, found in zip(images[:, ::every] / 255, image_statistics(images), strict=True):
            assert found[:-2] == pytest.approx(image.mean((0, 1)).tolist(), abs=1e-5)
            assert found[-2] == pytest.approx(image.std(), abs=1e-5)
            assert -1.1 < found[-1] < 1.1


def test_models_that_answer_together_warn_where_all_of_them_would(spec: ModelSpec) -> None:
    facts = spec.training_images
    wider = {**facts, "low": [0.0, 0.0, 0.0], "shrink": 9.0, "grey": False}
    both = common_facts([facts, wider])
    assert (both["low"], both["high"], both["shrink"], both["grey"]) == ([0, 0, 0], facts["high"], 9.0, False)
    assert common_facts([facts, {}]) == {}


def test_many_images_are_told_of_in_one_bounded_text() -> None:
    assert joined_warnings([["a", "b"]]) == "a; b"
    assert (
        joined_warnings([[], ["a"], ["b"], ["c"], ["d"]]) == "image 1: a; image 2: b; image 3: c; and 1 more warnings"
    )


def test_v1_tells_it_beside_the_answer_of_that_image_alone(server: RunningServer) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    body = json.dumps({"instances": [noise.tolist(), np.zeros_like(noise).tolist()]}).encode()
    like, unlike = server.post("/v1/models/grey:predict", body).json["predictions"]
    assert "warnings" not in like
    assert len(unlike["warnings"]) == 1
    assert b'forebay_unlike_images_total{model_name="grey"}' in server.request("GET", "/metrics").body


@pytest.mark.parametrize("path", ["/v1/models/grey:predict", "/v2/models/grey/infer"])
def test_an_image_file_as_the_body_is_told_what_it_lost(server: RunningServer, path: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (320, 80), "orange").save(file, "PNG")
    answer = server.request("POST", path, file.getvalue(), {"Content-Type": "image/png"}).json
    said = answer["parameters"]["warnings"] if "v2" in path else "; ".join(answer["predictions"][0]["warnings"])
    for words in (
        "unlike the training images",
        "colours were made grey",
        "shrunk 20 times",
        "80x320 has another aspect",
    ):
        assert words in said
