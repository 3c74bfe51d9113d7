"""Stochastic depth is set in networks of every library, and refused where no block can be skipped."""

import pytest
import torch
from torch import nn

from forebay.errors import ModelError
from forebay.models import build
from forebay.models.stochastic_depth import RowDrop, set_drop_path


def probabilities(network: nn.Module) -> list[float]:
    """Of each place that a row can skip."""
    found = []
    for block in network.modules():
        if getattr(block, "use_res_connect", True):
            for child in block.children():
                if isinstance(child, RowDrop):
                    found.append(child.probability)
                elif type(child).__name__ == "StochasticDepth":
                    found.append(child.p)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    "model",
    ["torchvision/convnext_tiny", "torchvision/efficientnet_b0", "timm/resnet18", "timm/efficientnet_lite0",
     "timm/vit_tiny_patch16_224"],
)  # fmt: skip
def test_the_probability_grows_from_none_to_that_of_the_last_block(model: str) -> None:
    network = build(model, {}, 3, 32, 32, 4)
    names = list(network.state_dict())
    set_drop_path(network, 0.3, model)
    found = probabilities(network)
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, 0.3)
    assert len(found) >= 8
    assert list(network.state_dict()) == names
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(1.0)  # timm begins with blocks that add nothing
        first, second = network.train()(images), network(images)
        assert not torch.equal(first, second)
        network.eval()
        assert torch.equal(network(images), network(images))


def test_zero_switches_off_what_a_model_has_by_itself() -> None:
    network = build("torchvision/efficientnet_b0", {}, 3, 32, 32, 4)
    assert max(probabilities(network)) > 0.1
    set_drop_path(network, 0, "efficientnet_b0")
    assert max(probabilities(network)) == 0


def test_rows_are_dropped_whole_and_the_mean_stays() -> None:
    torch.manual_seed(0)
    dropped = RowDrop(0.25).train()(torch.ones(4000, 3, 2, 2))
    assert set(dropped.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.75)}
    assert torch.equal(dropped.amax((1, 2, 3)), dropped.amin((1, 2, 3)))
    assert float(dropped.mean()) == pytest.approx(1, abs=0.03)
    assert torch.equal(RowDrop(0.25).eval()(torch.ones(3, 2)), torch.ones(3, 2))


def test_a_model_without_such_blocks_is_named() -> None:
    network = build("resnet9", {"width": 4}, 1, 8, 8, 3)
    set_drop_path(network, 0, "resnet9")
    with pytest.raises(ModelError, match="test_efficientnet has no blocks"):  # all of its blocks change the size
        set_drop_path(build("timm/test_efficientnet", {}, 3, 32, 32, 3), 0.1, "test_efficientnet")
    with pytest.raises(ModelError, match=r"resnet9 has no blocks that a row can skip; .* Set train\.drop_path=auto"):
        set_drop_path(network, 0.1, "resnet9")
