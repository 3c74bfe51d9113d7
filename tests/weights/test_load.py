"""Pretrained weights in a network for other classes, channels and sizes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from forebay.models.architectures import build
from forebay.models.timm_import import import_timm
from forebay.state import Home
from forebay.weights import PretrainedWeights, WeightsError, find_weights, load_pretrained

Kept = Callable[[nn.Module], PretrainedWeights]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """Writes a network's weights into a file and finds them there."""

    def keep(network: nn.Module) -> PretrainedWeights:
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        return find_weights(str(tmp_path / "weights.safetensors"), "resnet18", home=Home(tmp_path))

    return keep


def test_all_but_the_head_is_taken_where_the_classes_differ(kept: Kept) -> None:
    backbone, network = _mobile(classes=7), _mobile(classes=3)
    own_head = network.classifier.weight.clone()  # type: ignore[union-attr,operator]
    assert load_pretrained(network, kept(backbone), 3) == ["classifier.weight", "classifier.bias"]
    assert torch.equal(network.conv_stem.weight, backbone.conv_stem.weight)  # type: ignore[union-attr,arg-type]
    assert torch.equal(network.classifier.weight, own_head)  # type: ignore[union-attr,arg-type]


def test_the_head_is_taken_where_the_classes_are_as_many(kept: Kept) -> None:
    backbone, network = _mobile(classes=3), _mobile(classes=3)
    assert load_pretrained(network, kept(backbone), 3) == []
    assert _same(network, backbone)


def test_a_grey_network_answers_as_the_colour_one_does_to_grey_pictures(kept: Kept) -> None:
    backbone, network = _mobile(classes=3).eval(), _mobile(classes=3, channels=1).eval()
    load_pretrained(network, kept(backbone), 1)
    grey = torch.randn(2, 1, 32, 32)
    assert torch.allclose(network(grey), backbone(grey.expand(2, 3, 32, 32)), atol=1e-5)


def test_a_colour_network_takes_grey_weights(kept: Kept) -> None:
    backbone, network = _mobile(classes=3, channels=1).eval(), _mobile(classes=3).eval()
    load_pretrained(network, kept(backbone), 3)
    grey = torch.randn(2, 1, 32, 32)
    assert torch.allclose(network(grey.expand(2, 3, 32, 32)), backbone(grey), atol=1e-5)


def test_the_small_stem_is_left_and_named(kept: Kept) -> None:
    backbone, network = build("resnet18", {}, 3, 64, 64, 5), build("resnet18", {}, 3, 32, 32, 2)
    assert load_pretrained(network, kept(backbone), 3) == ["conv1.weight", "fc.weight", "fc.bias"]


def test_a_dropout_before_the_last_layer_changes_nothing(kept: Kept) -> None:
    plain, dropping = build("resnet18", {}, 3, 64, 64, 5), build("resnet18", {"dropout": 0.5}, 3, 64, 64, 5)
    assert load_pretrained(dropping, kept(plain), 3) == []
    fresh = build("resnet18", {}, 3, 64, 64, 5)
    assert load_pretrained(fresh, kept(dropping), 3) == []
    assert torch.equal(fresh.fc.weight, plain.fc.weight)  # type: ignore[union-attr,arg-type]
    other = build("resnet18", {"dropout": 0.5}, 3, 64, 64, 4)
    assert load_pretrained(other, kept(plain), 3) == ["fc.1.weight", "fc.1.bias"]


def test_another_networks_weights_are_refused_and_change_nothing(kept: Kept) -> None:
    network = build("resnet18", {}, 3, 64, 64, 5)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=r"do not fit the network: they have no conv1\.weight\. Set train\.model"):
        load_pretrained(network, kept(_mobile(classes=5)), 3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_first_tensor_of_another_shape_is_named(kept: Kept) -> None:
    wide = import_timm().create_model("mobilenetv3_small_075", num_classes=3)
    with pytest.raises(WeightsError, match=r"blocks\.0\.0\.conv_pw\.weight is 16x16x1x1, not 8x16x1x1"):
        load_pretrained(_mobile(classes=3), kept(wide), 3)


def test_half_of_a_larger_networks_weights_are_not_taken(kept: Kept) -> None:
    larger, smaller = build("resnet34", {}, 3, 64, 64, 5), build("resnet18", {}, 3, 64, 64, 5)
    with pytest.raises(WeightsError, match=r"the network has no layer1\.2\.bn1\.bias"):
        load_pretrained(smaller, kept(larger), 3)


def test_auxiliary_classifiers_are_left_out(kept: Kept) -> None:
    network = build("resnet18", {}, 3, 64, 64, 5)
    network.aux1 = nn.Linear(2, 2)
    assert load_pretrained(build("resnet18", {}, 3, 64, 64, 5), kept(network), 3) == []


def test_weights_that_are_no_numbers_are_refused(kept: Kept) -> None:
    backbone = _mobile(classes=3)
    backbone.conv_stem.weight.data[0, 0, 0, 0] = float("nan")  # type: ignore[union-attr,operator,index]
    with pytest.raises(WeightsError, match=r"conv_stem\.weight holds numbers that are not finite"):
        load_pretrained(_mobile(classes=3), kept(backbone), 3)


def test_a_transformer_takes_weights_of_another_image_size(tmp_path: Path) -> None:
    small, large = (
        import_timm().create_model("vit_tiny_patch16_224", img_size=side, num_classes=2) for side in (32, 64)
    )
    save_file(small.state_dict(), tmp_path / "weights.safetensors")
    pretrained = PretrainedWeights(
        path=tmp_path / "weights.safetensors", sha256="", source="here", library="timm",
        architecture="vit_tiny_patch16_224",
    )  # fmt: skip
    assert load_pretrained(large, pretrained, 3) == []
    assert torch.equal(large.blocks[0].attn.qkv.weight, small.blocks[0].attn.qkv.weight)


def _transformer(side: int) -> nn.Module:
    network: nn.Module = import_timm().create_model("vit_tiny_patch16_224", img_size=side, num_classes=2)
    return network


def _mobile(*, classes: int, channels: int = 3) -> nn.Module:
    network: nn.Module = import_timm().create_model("mobilenetv3_small_050", num_classes=classes, in_chans=channels)
    return network


def _same(one: nn.Module, other: nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())
