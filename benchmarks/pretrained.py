"""`python -m benchmarks.pretrained FOLDER`: pretrained weights beside training from scratch and simpler methods.

FOLDER holds pictures in a folder per class. Each seed trains once as `train.weights=auto` decides and once from random
weights, on the same split; `docs/pretrained.md` has the results. `--clipart` fills FOLDER first, with six
classes of Debian's package openclipart-png.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit, open_split
from forebay.ingest import ingest
from forebay.models import load_bundle
from forebay.preprocess import preprocess
from forebay.settings import IngestConfig, PreprocessConfig, TrainConfig
from forebay.state import Home, StepLog
from forebay.train import fit

CLIPART = Path("/usr/share/openclipart/png")
CLIPART_CLASSES = ("animals", "food", "people", "plants", "tools", "transportation")
CLIPART_PICTURES = 513


def copy_clipart(folder: Path) -> None:
    """Copy the first pictures of six classes by name, as many of each class."""
    found = [sorted((CLIPART / name).rglob("*.png")) for name in CLIPART_CLASSES]
    places = sorted((index, path) for files in found for index, path in enumerate(files))
    for _, path in places[:CLIPART_PICTURES]:
        target = folder / path.relative_to(CLIPART).parts[0] / "-".join(path.relative_to(CLIPART).parts[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def accuracy(bundle: Path, test: DatasetSplit) -> float:
    """The share of held-out rows that a bundle answers rightly."""
    answers = load_bundle(bundle).predict(test.images_NHWC()).argmax(1)
    return float((answers == test.labels).mean())


def simple_methods(train: DatasetSplit, test: DatasetSplit) -> dict[str, float]:
    """Accuracies of always answering the largest class, and of ExtraTrees on raw pixels."""
    from sklearn.ensemble import ExtraTreesClassifier

    def flat(split: DatasetSplit) -> NDArray[np.uint8]:
        return split.images_NHWC()[:, ::4, ::4].reshape(len(split), -1)

    largest = np.bincount(train.labels).argmax()
    trees = ExtraTreesClassifier(300, random_state=0).fit(flat(train), train.labels)
    return {
        "largest class": float((test.labels == largest).mean()),
        "ExtraTrees": float((trees.predict(flat(test)) == test.labels).mean()),
    }


def measure(folder: Path, work: Path, holdout: float, seeds: int) -> None:
    """Print one line for each training."""
    home = Home(work / "home").open()

    def log(step: str) -> StepLog:
        return StepLog(name=step, run_id="", home=home, events=work / "events.jsonl")

    ingest(work / "rows", IngestConfig(data=str(folder)), log("ingest"))
    preprocess(work / "rows", work / "shards", PreprocessConfig(holdout=holdout), log("preprocess"))
    data = SplitManifest.read(work / "shards")
    train, test = (open_split(work / "shards", data, name) for name in ("train", "test"))
    print(f"{data.height}x{data.width}, rows {data.splits}", flush=True)
    for name, value in simple_methods(train, test).items():
        print(f"{name}: {value:.1%}", flush=True)
    for weights in ("auto", "none"):
        for seed in range(seeds):
            began, cpu = time.monotonic(), time.process_time()
            out = work / f"{weights}-{seed}"
            spec = fit(work / "shards", out, TrainConfig(weights=weights, seed=seed), log("train")).spec
            facts: dict[str, Any] = spec.training
            print(
                f"weights={weights} seed={seed} {spec.architecture} seen {facts['resize']} epochs {facts['epochs']}: "
                f"{accuracy(out, test):.1%} in {time.monotonic() - began:.0f} s, "
                f"{time.process_time() - cpu:.0f} s of processor time",
                flush=True,
            )


def main(arguments: Sequence[str]) -> None:
    """Measure a folder of pictures."""
    parser = argparse.ArgumentParser(prog="benchmarks.pretrained", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clipart", action="store_true", help="fill the folder from openclipart-png first")
    parser.add_argument("--holdout", type=float, default=0.15, help="share of the pictures that is held out")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind")
    parsed = parser.parse_args(arguments)
    if parsed.clipart:
        copy_clipart(parsed.folder)
    with tempfile.TemporaryDirectory(prefix="forebay-pretrained-") as work:
        measure(parsed.folder, Path(work), parsed.holdout, parsed.seeds)


if __name__ == "__main__":
    main(sys.argv[1:])
