"""The families of networks that tests prove from training to a served answer, and what a picture costs with each.

Usage: OMP_NUM_THREADS=1 .venv/bin/python .ci/model_families.py   (some minutes; the table of docs/models.md)
"""

import time
from typing import Any, NamedTuple

import torch
from torch import nn

from forebay.models import build
from forebay.settings.model_names import catalogue_entry, find_model

CLASSES = 10
ROWS = 4  # pictures in one forward pass
REPEATS = 3  # passes; the fastest counts


class Family(NamedTuple):
    """One network of a family."""

    title: str
    name: str  # as train.model takes it
    side: int  # pixels; a small size at which it still makes sense
    published_side: int


FAMILIES = (
    Family("ResNet", "resnet18", 32, 224),
    Family("ResNeXt", "resnext26ts", 32, 256),
    Family("SENet-154", "senet154", 32, 224),
    Family("SE-ResNet", "legacy_seresnet18", 32, 224),
    Family("DenseNet", "densenet121", 32, 224),
    Family("Inception-V3", "inception_v3", 32, 299),
    Family("Inception-V4", "inception_v4", 40, 299),
    Family("Inception-ResNet-V2", "inception_resnet_v2", 40, 299),
    Family("Xception", "legacy_xception", 32, 299),
    Family("NASNet-A-Large", "nasnetalarge", 32, 331),
    Family("MobileNetV2", "mobilenet_v2", 32, 224),
    Family("MobileNetV3", "mobilenet_v3_small", 32, 224),
    Family("ShuffleNetV2", "shufflenet_v2_x0_5", 32, 224),
    Family("SqueezeNet", "squeezenet1_1", 32, 224),
    Family("EfficientNet", "efficientnet_b0", 32, 224),
    Family("EfficientNet-Lite", "efficientnet_lite0", 32, 224),
    Family("ConvNeXt", "convnext_atto", 32, 224),
    Family("ViT", "vit_tiny_patch16_224", 32, 224),
)


def main() -> None:
    """Print the table."""
    print("| family | `train.model` | library | parameters | MB | smallest | ms, small (at) | ms, as published (at) |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for family in FAMILIES:
        print(f"| {' | '.join(map(str, table_row(family)))} |", flush=True)
    print(f"\ntorch {torch.__version__}, {torch.get_num_threads()} thread, fp32, {ROWS} pictures at once")


def table_row(family: Family) -> list[Any]:
    """The cells of one row; times are milliseconds of processor time for one colour picture."""
    found = find_model(family.name)
    assert found
    entry = catalogue_entry(*found)
    assert entry
    megabytes = sum(each.nbytes for each in _network(family, family.side).state_dict().values()) / 1e6
    times = [picture_ms(family, side) for side in (family.side, family.published_side)]
    cells = [f"{ms:.1f} ({side})" for ms, side in zip(times, (family.side, family.published_side), strict=True)]
    parameters = f"{entry.parameters / 1e6:.1f} M"
    return [family.title, f"`{family.name}`", found.library, parameters, f"{megabytes:.0f}", entry.smallest, *cells]


@torch.inference_mode()
def picture_ms(family: Family, side: int) -> float:
    """Milliseconds of processor time for one picture."""
    network = _network(family, side).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.randn(ROWS, 3, side, side).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        network(images)
        seconds.append(time.process_time() - began)
    return 1000 * min(seconds) / ROWS


def _network(family: Family, side: int) -> nn.Module:
    return build(family.name, {}, 3, side, side, CLASSES).eval()


if __name__ == "__main__":
    main()
