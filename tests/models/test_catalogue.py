"""The catalogue in the package says what the installed libraries do."""

import pytest
from model_catalogue import LIBRARIES, own_row, row

from forebay.settings.model_names import OWN_MODELS, catalogue, catalogue_entry, find_model, list_models


@pytest.mark.parametrize(
    "name",
    [
        "resnet18", "vgg11", "inception_v3", "vit_b_32", "mobilenet_v3_small", "regnet_y_400mf", "maxvit_t",
        "timm/resnet18", "seresnet50", "legacy_xception", "inception_v4", "vit_tiny_patch16_224",
        "eva02_tiny_patch14_224", "swin_tiny_patch4_window7_224", "efficientnet_lite0", "halonet26t",
    ],
)  # fmt: skip
def test_a_row_is_what_the_library_says(name: str) -> None:
    found = find_model(name)
    assert found
    library = next(each for each in LIBRARIES if each.library == found.library)
    assert catalogue()["models"][found.library][found.architecture] == row(library, found.architecture)


@pytest.mark.parametrize("name", OWN_MODELS)
def test_a_row_of_our_own_networks_is_what_they_have(name: str) -> None:
    assert catalogue()["models"]["forebay"][name] == own_row(name)


def test_every_row_is_whole_and_every_name_means_its_own_row() -> None:
    models = list_models()
    assert len(models) > 1400
    for model in models:
        assert model.entry.parameters > 10_000
        assert 8 <= model.entry.smallest <= 512
        assert model.entry.step >= 1
        assert find_model(model.name) == (model.library, model.architecture)


def test_the_next_side_follows_the_step() -> None:
    entry = catalogue_entry("timm", "eva02_tiny_patch14_224")
    assert entry
    assert [entry.next_side(side) for side in (3, 14, 15, 28, 100)] == [14, 14, 28, 28, 112]
