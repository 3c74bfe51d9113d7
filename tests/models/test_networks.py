"""Networks by name: what they take, what they refuse and in which words."""

import socket
import subprocess
import sys

import pytest
import torch

from forebay.errors import ModelError
from forebay.models import build, standardize
from forebay.models.architectures import weight_shapes
from forebay.models.torchvision_import import import_torchvision
from forebay.models.torchvision_models import MODELS as TORCHVISION_MODELS
from forebay.settings.model_names import names_of

OWN = {"mlp": {"width": 8}, "lenet5": {}, "resnet9": {"width": 4}}


@pytest.mark.parametrize("size", [(1, 8, 8), (3, 32, 32), (1, 28, 20), (3, 96, 64)])
@pytest.mark.parametrize("name", OWN)
def test_our_networks_take_every_size_and_channel_count(name: str, size: tuple[int, int, int]) -> None:
    network = build(name, OWN[name], *size, 7)
    assert network(torch.randn(3, *size)).shape == (3, 7)


def test_large_images_go_through_a_strided_stem() -> None:
    features = build("resnet9", {"width": 4}, 3, 224, 224, 5).stem(torch.randn(1, 3, 224, 224))  # type: ignore[operator]
    assert features.shape[2:] == (28, 28)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5", "regnet_y_400mf", "squeezenet1_1"])
def test_torchvision_models_take_small_grey_images(name: str) -> None:
    network = build(name, {"dropout": 0.2}, 1, 28, 28, 4).eval()
    assert network(torch.randn(2, 1, 28, 28)).shape == (2, 4)


@pytest.mark.parametrize("name", ["timm/resnet18", "seresnet50", "timm/vit_tiny_patch16_224", "efficientnet_lite0"])
def test_models_of_timm_take_small_grey_images_and_download_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a network is built without the network")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    network = build(name, {"dropout": 0.2}, 1, 32, 32, 4).eval()
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 4)


def test_a_name_means_the_network_of_the_first_library_that_has_it() -> None:
    modules = {name: type(build(name, {}, 3, 64, 64, 2)).__module__ for name in ("resnet18", "timm/resnet18")}
    assert modules == {"resnet18": "torchvision.models.resnet", "timm/resnet18": "timm.models.resnet"}
    with pytest.raises(ModelError, match=r"no model 'seresnet50' in torchvision\. Did you mean resnet50"):
        build("seresnet50", {}, 3, 64, 64, 2, library="torchvision")


def test_a_library_that_is_not_installed_is_named_with_the_extra_that_brings_it() -> None:
    program = (
        "import sys\nsys.modules['timm'] = None\nfrom forebay.models import build\n"
        "build('timm/resnet18', {}, 3, 32, 32, 2)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr.strip().endswith("timm is not installed. Install it with pip install 'forebay[timm]'.")


def test_a_residual_network_for_small_images_keeps_their_detail() -> None:
    small, large = (build("resnet18", {}, 3, side, side, 2) for side in (32, 224))
    assert (small.conv1.kernel_size, small.conv1.stride) == ((3, 3), (1, 1))  # type: ignore[union-attr]
    assert isinstance(small.maxpool, torch.nn.Identity)
    assert (large.conv1.kernel_size, large.conv1.stride) == ((7, 7), (2, 2))  # type: ignore[union-attr]


def test_dropout_stands_before_the_last_layer() -> None:
    last = build("resnet18", {"dropout": 0.3}, 3, 32, 32, 2).fc
    assert isinstance(last, torch.nn.Sequential)
    assert isinstance(last[0], torch.nn.Dropout)
    assert last[0].p == 0.3


def test_a_mirroring_network_answers_alike_for_an_image_and_its_mirror_image() -> None:
    image = torch.randn(2, 3, 32, 32)
    plain, mirroring = (
        build("resnet9", {"width": 4, "mirror": mirror}, 3, 32, 32, 5).eval() for mirror in (False, True)
    )
    assert not torch.allclose(plain(image), plain(image.flip(3)))
    assert torch.allclose(mirroring(image), mirroring(image.flip(3)), atol=1e-6)
    assert not torch.allclose(mirroring.train()(image), mirroring(image.flip(3))), "it learns from what it is given"


def test_whitened_patches_are_uncorrelated_and_of_unit_variance_and_stay_so_in_training() -> None:
    network = build("resnet9", {"width": 4, "whiten": True}, 3, 16, 16, 5)
    images = torch.randn(500, 1, 16, 16) + 0.3 * torch.randn(500, 3, 16, 16)  # channels that go together
    network.fit_whitening(images)  # type: ignore[operator]
    filters = network.stem.convolution.weight  # type: ignore[union-attr]
    found = torch.nn.functional.conv2d(images, filters).transpose(0, 1).flatten(1)[:12]  # type: ignore[arg-type]
    assert torch.allclose(found @ found.T / found.shape[1], torch.eye(12), atol=0.02)
    network(images[:8]).sum().backward()
    assert filters.grad is None
    assert network.stem.convolution.bias.grad is not None  # type: ignore[union-attr]


def test_large_images_cannot_be_whitened() -> None:
    with pytest.raises(ModelError, match="up to 48 pixels a side, not 96x96"):
        build("resnet9", {"width": 4, "whiten": True}, 3, 96, 96, 5)


def test_detection_and_segmentation_models_are_not_offered() -> None:
    names = set(TORCHVISION_MODELS.list_names())
    assert {"resnet18", "vit_b_16", "efficientnet_b0"} <= names
    assert not [name for name in names if "rcnn" in name or "deeplab" in name]


def test_networks_of_timm_that_give_no_logits_are_not_offered() -> None:
    assert names_of("timm").isdisjoint({"mobilenetv5_300m_enc", "qwen3_vit_88m_enc", "gemma4_vit_167m_enc"})
    assert len(names_of("timm")) > 1300


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        (
            "vgg11",
            (3, 28, 28),
            "the smallest square size it takes is 32x32. Set ingest.size=32x32 or train.model=resnet9",
        ),
        ("vit_b_32", (3, 40, 40), "the smallest square size it takes is 32x32. Set ingest.size=64x64"),
        ("vit_b_16", (3, 32, 64), "it takes square images only"),
        (
            "inception_v3",
            (3, 12, 40),
            "the smallest square size it takes is 19x19. Set ingest.size=40x40 or train.model=resnet9",
        ),
        ("inception_v4", (1, 32, 32), "the smallest square size it takes is 37x37. Set ingest.size=37x37"),
        ("alexnet", (1, 9, 20), "the smallest square size it takes is 15x15. Set ingest.size=20x20"),
        (
            "vit_tiny_patch16_224",
            (3, 28, 28),
            "(it cuts images into patches of 16x16 pixels); the smallest square size it takes is 16x16. Set "
            "ingest.size=32x32",
        ),
        ("lenet5", (1, 2, 9), "the smallest it takes is 4x4. Set ingest.size=4x4"),
    ],
)
def test_images_that_do_not_fit_are_refused_with_a_size_that_does(
    name: str, size: tuple[int, int, int], words: str
) -> None:
    with pytest.raises(ModelError) as refused:
        build(name, {}, *size, 3)
    assert f"{name} cannot take {size[1]}x{size[2]} images" in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize("side", [24, 63, 64, 74, 75, 224])
def test_inception_v3_takes_every_size_and_its_own_stem_where_that_fits(side: int) -> None:
    with torch.device("meta"):
        network = build("inception_v3", {}, 3, side, side, 2)
        assert network.eval()(torch.empty(1, 3, side, side)).shape == (1, 2)
    own = network.Conv2d_1a_3x3.conv.stride == (2, 2)  # type: ignore[union-attr]
    assert own == (side >= 75)


@pytest.mark.parametrize(("stem", "stride"), [("own", (2, 2)), ("small", (1, 1))])
def test_the_stem_can_be_chosen(stem: str, stride: tuple[int, int]) -> None:
    with torch.device("meta"):
        networks = [build(name, {"stem": stem}, 3, 64, 64, 2) for name in ("resnet18", "timm/resnet18")]
    assert [network.conv1.stride for network in networks] == [stride, stride]  # type: ignore[union-attr]


def test_regnets_are_built_without_memory_too() -> None:
    with torch.device("meta"):
        network = build("regnet_y_128gf", {}, 3, 32, 32, 2)
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


def test_tables_that_images_of_many_pixels_make_huge_are_refused_before_memory_is_taken() -> None:
    with pytest.raises(ModelError, match="beit_base_patch16_224 needs tables of"):
        weight_shapes("beit_base_patch16_224", {}, 3, 2048, 2048, 2)


@pytest.mark.parametrize(("name", "near"), [("resnet_18", "resnet18"), ("lenet", "lenet5"), ("resnt9", "resnet9")])
def test_an_unknown_name_is_answered_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(ModelError, match=f"There is no model '{name}'. Did you mean {near}"):
        build(name, {}, 3, 32, 32, 3)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet9", {"width": 4, "depth": 3}, "resnet9 has no option 'depth'; it has dropout, mirror, whiten, width"),
        ("lenet5", {"width": 4}, "lenet5 has no option 'width'"),
        ("mlp", {}, "mlp needs the option width"),
    ],
)
def test_options_that_do_not_fit_are_refused(name: str, options: dict[str, int], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        build(name, options, 1, 8, 8, 3)


def test_our_own_networks_do_not_import_torchvision() -> None:
    code = "import sys; from forebay.models import build; build('resnet9', {'width': 4}, 1, 8, 8, 3);"
    code += "sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_is_light_until_a_name_is_taken_from_it() -> None:
    code = "import sys, forebay.models, forebay.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_torchvision_imports_whole_beside_any_build_of_torch() -> None:
    torchvision = import_torchvision()
    assert torchvision is import_torchvision() is sys.modules["torchvision"]
    assert torchvision.transforms is not None
    assert torchvision.models.get_model("resnet18").fc.out_features == 1000


def test_standardized_channels_have_mean_zero_and_deviation_one() -> None:
    images = torch.randint(0, 256, (50, 2, 9, 9), dtype=torch.uint8)
    scaled = images.double() / 255
    mean, std = scaled.mean((0, 2, 3)).tolist(), scaled.std((0, 2, 3)).tolist()
    result = standardize(images, mean, std)
    assert result.dtype == torch.float32
    assert torch.allclose(result.mean((0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(result.std((0, 2, 3)), torch.ones(2), atol=1e-5)


def test_a_constant_channel_is_only_centred() -> None:
    flat = torch.full((2, 1, 3, 3), 102, dtype=torch.uint8)
    assert torch.allclose(standardize(flat, [0.4], [0.0]), torch.zeros(1), atol=1e-4)
