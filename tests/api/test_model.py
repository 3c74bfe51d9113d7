"""`forebay.load_model`: a bundle in this process answers as the server does."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import forebay
from forebay.api.images import prepare_images
from forebay.contracts.bundles.spec import WEIGHTS
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.images import ImagePreparation
from forebay.images.statistics import image_statistics
from forebay.models.classifier import NetworkClassifier
from forebay.serving.protocol.image_files import decode_image_files
from forebay.state import Home


@pytest.fixture(scope="module")
def model(digits_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> forebay.Model:
    return forebay.load_model(digits_bundle, home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def digits(digits_shards: Path) -> NDArray[np.uint8]:
    """Test rows, (N, 8, 8, 1)."""
    return open_split(digits_shards, SplitManifest.read(digits_shards), "test").images_NHWC(0, 12)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_every_form_of_an_image_gives_the_same_answer(
    model: forebay.Model, digits: NDArray[np.uint8], tmp_path: Path
) -> None:
    grey = Image.fromarray(digits[3, :, :, 0])
    path = tmp_path / "three.png"
    grey.save(path)
    forms = [path, str(path), path.read_bytes(), grey, digits[3], digits[3, :, :, 0], digits[3].astype(float)]
    answers = [model.predict(form) for form in forms]
    assert answers == [answers[0]] * len(forms)
    np.testing.assert_array_equal(prepare_images(forms, model.spec), digits[[3] * len(forms)])


def test_an_image_unlike_the_training_images_is_answered_with_a_warning(
    model: forebay.Model, digits: NDArray[np.uint8]
) -> None:
    statistics = np.array(image_statistics(digits))
    low, high = statistics.min(0).tolist(), statistics.max(0).tolist()
    facts = {"rows": len(digits), "low": low, "high": high, "grey": True, "shrink": 1.0}  # as a run notes them
    spec = dataclasses.replace(model.spec, training_images=facts)
    grey_model = forebay.Model(NetworkClassifier(spec, model.module), name="grey", version="", folder=model.folder)
    photo = np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8)
    like, unlike, black = grey_model.predict([digits[3], photo, np.zeros_like(digits[3])])
    assert like.warnings == ()
    assert black.warnings[0].startswith("unlike the training images: contrast 0.00")
    assert "colours were made grey: the model was trained on grey images" in unlike.warnings
    assert any(text.startswith("shrunk ") and "400x300 to 8x8" in text for text in unlike.warnings)


def test_arrays_of_many_images_are_answered_one_by_one(model: forebay.Model, digits: NDArray[np.uint8]) -> None:
    predictions = model.predict(digits)
    assert [each.label for each in predictions] == [each.label for each in model.predict(digits[:, :, :, 0])]
    probabilities = model.predict_proba(list(digits))
    assert probabilities.shape == (len(digits), 10)
    for prediction, row in zip(predictions, probabilities, strict=True):
        assert list(prediction.probabilities) == model.classes
        assert prediction.probability == row.max() == prediction.probabilities[prediction.label]
    assert model.predict([]) == []


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "F", "CMYK"])
def test_an_image_of_pillow_is_prepared_as_the_server_prepares_its_file(model: forebay.Model, mode: str) -> None:
    image = Image.linear_gradient("L").resize((31, 17))
    made = Image.fromarray(np.asarray(image) / np.float32(255)) if mode == "F" else image.convert(mode)
    file = io.BytesIO()
    made.save(file, "TIFF" if mode in ("F", "CMYK") else "PNG")
    spec = model.spec
    shape = (spec.height, spec.width, spec.channels)
    preparation = ImagePreparation(fit=spec.fit, bits=spec.bits)
    served = decode_image_files([file.getvalue()], shape, "instances", preparation)
    np.testing.assert_array_equal(model.predict_proba(made), model.predict_proba(served))
    np.testing.assert_array_equal(model.predict_proba(file.getvalue()), model.predict_proba(served))


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        ("nowhere.png", forebay.ConfigError, "nowhere.png cannot be read: No such file or directory"),
        (Path(), forebay.ConfigError, "is a folder. Give the files in it"),
        (b"no image", forebay.DataError, "image 0: unreadable"),
        (7, forebay.ConfigError, "an image is a path, the bytes of a file, an array of pixels or a PIL.Image, got int"),
        (np.zeros((2, 5, 5, 2)), forebay.ConfigError, r"1, 3 or 4 channels last.*got shape \(5, 5, 2\)"),
        (
            np.full((8, 8), 0.5),
            forebay.ConfigError,
            "image 0: expected pixels from 0 to 255, got fractions",
        ),
        (np.array([["a"]]), forebay.ConfigError, "pixels must be numbers from 0 to 255"),
    ],
)
def test_what_is_no_image_is_refused_in_words(
    model: forebay.Model, image: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        model.predict(image)  # type: ignore[arg-type]


def test_the_module_answers_what_the_model_does(model: forebay.Model, digits: NDArray[np.uint8]) -> None:
    import torch

    assert not model.module.training
    with torch.inference_mode():
        probabilities = model.module(model.tensor(digits)).softmax(1).numpy()
    np.testing.assert_allclose(probabilities, model.predict_proba(digits), atol=1e-6)


def test_the_onnx_file_answers_what_the_module_does(
    model: forebay.Model, digits: NDArray[np.uint8], tmp_path: Path
) -> None:
    import onnxruntime
    import torch

    path = model.export_onnx(str(tmp_path / "digits.onnx"))
    images = model.tensor(digits)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [logits] = session.run(None, {session.get_inputs()[0].name: images.contiguous().numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, model.module(images).numpy(), atol=1e-4)


def test_weights_that_are_not_those_of_the_spec_are_refused(digits_bundle: Path, tmp_path: Path, home: Home) -> None:
    for file in digits_bundle.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:-4] + b"\1\2\3\4")
    with pytest.raises(forebay.ForebayError, match="The bundle was changed or cut short"):
        forebay.load_model(tmp_path, home=home.root)


def test_a_name_that_is_not_registered_says_what_is(mlflow_home: Home) -> None:
    with pytest.raises(forebay.ConfigError, match=r"no registered model 'nope'\. Registered: none yet"):
        forebay.load_model("nope@champion", home=mlflow_home.root)
