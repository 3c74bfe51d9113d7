"""`python -m benchmarks.overfitting CIFAR10_TAR`: the curves that each defence against over-fitting changes.

One training without any defence, and one with each of them alone, on 1 000 pictures of CIFAR-10 that are validated on
2 000 others. Each defence is a line of `DEFENCES`; `docs/over-fitting.md` shows the pictures. The curves of a training
are kept below `--work` by its settings; remove that folder where the code has changed.
"""

import argparse
import hashlib
import io
import json
import sys
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.rows import pixel_digest
from forebay.contracts.shards import labels_name, sha256_name, shard_name
from forebay.settings import TrainConfig
from forebay.state import Home, StepLog, read_json, seal, write_json
from forebay.train import fit

CLASS_ROWS = {"train": 100, "validation": 200, "test": 5}  # pictures of each class; nothing is learned from the last
SIDE = 32
BASE: dict[str, Any] = {
    "model": "resnet9", "width": "16", "epochs": "40", "batch_rows": "64", "threads": "1",
    "augment": "none", "label_smoothing": 0.0, "weight_decay": 0.0,
}  # fmt: skip
"""No defence at all."""

Curves = list[dict[str, Any]]  # one record an epoch, as in history.json


@dataclass(frozen=True)
class Defence:
    """One defence: the settings that turn it on."""

    name: str  # of its picture
    title: str
    settings: dict[str, Any]


FINE_TUNED = {"model": "auto", "width": "auto", "batch_rows": "auto", "weights": "auto", "input_size": "96x96"}

DEFENCES = (
    Defence("weights", "train.weights=auto", {**FINE_TUNED, "epochs": "10", "augment": "shift_flip"}),
    Defence("augment", "train.augment=shift_flip", {"augment": "shift_flip"}),
    Defence("recipe", "train.recipe=standard", {"augment": "shift_flip", "recipe": "standard"}),
    Defence("mixup", "train.mixup=0.4", {"mixup": "0.4"}),
    Defence("dropout", "train.dropout=0.5", {"dropout": 0.5}),
    Defence("label-smoothing", "train.label_smoothing=0.1", {"label_smoothing": 0.1}),
    Defence("weight-decay", "train.weight_decay=5e-3", {"weight_decay": 5e-3}),
    Defence("early-stop", "train.early_stop_epochs=5", {"early_stop_epochs": 5}),
    Defence("width", "train.width=4", {"width": "4"}),
)


def main() -> int:
    """Train what is not trained yet, and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overfitting", description=__doc__)
    parser.add_argument("tar", type=Path, help="CIFAR-10's training images, a folder per class")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(each.name for each in DEFENCES)}")
    parser.add_argument("--output", type=Path, default=Path("docs"), help="folder (default %(default)s)")
    parser.add_argument("--work", type=Path, default=Path("build/over-fitting"), help="folder (default %(default)s)")
    arguments = parser.parse_args()
    dataset = arguments.work / "dataset"
    if not (dataset / "manifest.json").exists():
        write_dataset(arguments.tar, dataset)
    arguments.output.mkdir(parents=True, exist_ok=True)
    without = curves(arguments.work, dataset, BASE)
    for defence in DEFENCES:
        if not arguments.names or defence.name in arguments.names:
            path = arguments.output / f"over-fitting-{defence.name}.svg"
            draw(defence, without, curves(arguments.work, dataset, BASE | defence.settings), path)
            print(f"{path}", file=sys.stderr, flush=True)
    return 0


def curves(work: Path, dataset: Path, settings: dict[str, Any]) -> Curves:
    """The curves of a training with these settings."""
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    stored = work / "curves" / f"{key}.json"
    if not stored.exists():
        log = StepLog(name="train", run_id="", home=Home(work / "home").open(), events=work / "events.jsonl")
        fit(dataset, work / "bundle", TrainConfig(**settings), log)
        stored.parent.mkdir(parents=True, exist_ok=True)
        write_json(stored, read_json(work / "bundle" / "history.json"))
    history: Curves = read_json(stored)
    _say(settings, history)
    return history


def _say(settings: dict[str, Any], history: Curves) -> None:
    changed = {key: value for key, value in settings.items() if BASE.get(key) != value}
    best, last = min(history, key=lambda record: record["validation_loss"]), history[-1]
    print(
        f"{changed}: train accuracy {last['train_accuracy']:.1%}, validation {last['validation_accuracy']:.1%}; loss "
        f"{last['validation_loss']:.3f}, lowest {best['validation_loss']:.3f} in epoch {best['epoch']} of "
        f"{len(history)}; {sum(record['seconds'] for record in history):.0f} s",
        file=sys.stderr,
        flush=True,
    )


def write_dataset(tar: Path, folder: Path) -> None:
    """Write the first pictures of each class as preprocess writes them."""
    images = _first_images(tar, sum(CLASS_ROWS.values()))
    classes, written, first = sorted(images), {}, 0
    folder.mkdir(parents=True)
    for split, rows in CLASS_ROWS.items():
        labels = np.tile(np.arange(len(classes)), rows)
        pixels = np.stack([images[classes[label]][first + row // len(classes)] for row, label in enumerate(labels)])
        written[split] = pixels
        first += rows
        digests = [np.frombuffer(pixel_digest(image.tobytes(), *image.shape), np.uint8) for image in pixels]
        np.save(folder / shard_name(split, 0), pixels)
        np.save(folder / labels_name(split), labels.astype(np.int64))
        np.save(folder / sha256_name(split), np.stack(digests))
    _manifest(tar, classes, written).write(folder)
    seal(folder)


def _first_images(tar: Path, most: int) -> dict[str, list[NDArray[np.uint8]]]:
    """The first pictures of each class, in the order of their names."""
    names = defaultdict(list)
    with tarfile.open(tar) as archive:
        for name in sorted(member.name for member in archive.getmembers() if member.isfile()):
            names[name.split("/")[-2]].append(name)
        return {label: [_pixels(archive, name) for name in members[:most]] for label, members in names.items()}


def _pixels(archive: tarfile.TarFile, name: str) -> NDArray[np.uint8]:
    file = archive.extractfile(name)
    assert file is not None
    with Image.open(io.BytesIO(file.read())) as image:
        return np.asarray(image.convert("RGB"))


def _manifest(tar: Path, classes: list[str], written: dict[str, NDArray[np.uint8]]) -> SplitManifest:
    scaled = written["train"].astype(np.float64) / 255
    splits = {split: len(pixels) for split, pixels in written.items()}
    return SplitManifest(
        name="cifar10-small", source=tar.name, kind="tar", data_digest="", digest="", classes=classes,
        height=SIDE, width=SIDE, channels=3, rows=sum(splits.values()), quarantined={}, splits=splits,
        shards={split: [shard_name(split, 0)] for split in splits},
        train_class_rows=dict.fromkeys(classes, CLASS_ROWS["train"]),
        mean=scaled.mean((0, 1, 2)).tolist(), std=scaled.std((0, 1, 2)).tolist(),
        split_kind="hash", holdout=0.0, validation=0.0,
    )  # fmt: skip


def draw(defence: Defence, without: Curves, with_it: Curves, path: Path) -> None:
    """Write an SVG with loss and accuracy of both trainings: validation as lines, train dashed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": defence.name, "font.family": "sans-serif"})
    figure, panels = plt.subplots(1, 2, figsize=(8.2, 3.0), layout="constrained")
    for panel, what in zip(panels, ("loss", "accuracy"), strict=True):
        for history, colour, name in ((without, "#98a2a8", "without"), (with_it, "#1f6f8b", "with")):
            _draw_curves(panel, history, what, colour, name)
        panel.set_title(what, fontsize=9, loc="left")
        panel.set_xlabel("epoch", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(axis="y", color="#e5e9eb", linewidth=0.7)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    panels[1].legend(fontsize=8, frameon=False, ncols=2)
    figure.suptitle(defence.title, fontsize=10, x=0.01, ha="left", family="monospace")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _draw_curves(panel: Any, history: Curves, what: str, colour: str, name: str) -> None:
    epochs = [record["epoch"] for record in history]
    for split, style in (("validation", "-"), ("train", "--")):
        values = [record[f"{split}_{what}"] for record in history]
        panel.plot(epochs, values, style, color=colour, linewidth=1.5, label=f"{split}, {name}")
    lowest = min(history, key=lambda record: record["validation_loss"])
    panel.plot(lowest["epoch"], lowest[f"validation_{what}"], "o", color=colour, markersize=4)


if __name__ == "__main__":
    raise SystemExit(main())
