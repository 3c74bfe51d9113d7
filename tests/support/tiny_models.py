"""Small real models for tests of the steps that come after train: fitted with a few plain PyTorch steps."""

from pathlib import Path

from forebay.contracts.bundles.spec import HISTORY, ModelSpec
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.state import seal, write_json


def fit_mlp(
    dataset: Path, folder: Path, *, steps: int = 120, seed: int = 0, width: int = 64, mlflow_run_id: str = ""
) -> ModelSpec:
    """Fit an `mlp` on a preprocess artifact and write its bundle; 0 steps leave it random."""
    import torch

    from forebay.models import build, save_bundle, standardize

    data = SplitManifest.read(dataset)
    train = open_split(dataset, data, "train")
    torch.manual_seed(seed)
    options = {"width": width, "dropout": 0.0}
    network = build("mlp", options, data.channels, data.height, data.width, len(data.classes))
    images = standardize(torch.tensor(train.images_NHWC()).permute(0, 3, 1, 2), data.mean, data.std)
    labels = torch.tensor(train.labels)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    history = []
    for step in range(steps):
        logits = network(images)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        hits = (logits.argmax(1) == labels).float().mean()
        history.append({"epoch": step + 1, "train_loss": loss.item(), "train_accuracy": hits.item()})
    spec = ModelSpec(
        architecture="mlp", options=options, classes=data.classes, height=data.height, width=data.width,
        channels=data.channels, mean=data.mean, std=data.std, weights_sha256="",
        training={"seed": seed, "torch": torch.__version__},
        data={"name": data.name, "source": data.source, "digest": data.digest, "rows": data.rows,
              "splits": data.splits, "holdout": data.holdout, "split_kind": data.split_kind,
              "exceptions": data.exceptions},
        lineage={"code_version": "0.1.0+test", "mlflow_run_id": mlflow_run_id},
    )  # fmt: skip
    written = save_bundle(folder, spec, network.state_dict())
    write_json(folder / HISTORY, history)
    seal(folder)
    return written
