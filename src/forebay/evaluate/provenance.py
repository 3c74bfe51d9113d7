"""The report's last section: where data, model and numbers came from."""

from typing import Any

from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.shards import SPLITS
from forebay.text import one_line


def provenance(evaluation: EvaluationResult, run_id: str) -> dict[str, dict[str, Any]]:
    """Tables of facts, by heading."""
    data, model = evaluation.data, evaluation.model
    lineage, training = dict(model["lineage"]), dict(model["training"])
    if "members" in lineage:
        lineage["members"] = [origin["name"] for origin in lineage["members"]]
    nested = {key: training.pop(key) for key in list(training) if isinstance(training[key], dict)}
    tables = {
        "Data": _data_table(data),
        "Model": {
            "registered name": evaluation.name, "architecture": model["architecture"],
            "library": " ".join(filter(None, (model.get("library"), model.get("library_version")))), **model["options"],
            "input": f"{model['height']}x{model['width']}x{model['channels']}",
            "weights sha256": model["weights_sha256"], "temperature": model["temperature"],
        },
        "Lineage": {"pipeline run": run_id or None, **lineage},
        "Training": training,
        **{f"Training: {key}": value for key, value in nested.items()},
        "Evaluation": evaluation.settings,
    }  # fmt: skip
    return {
        heading: {key.replace("_", " "): _text(value) for key, value in rows.items()}
        for heading, rows in tables.items()
        if rows
    }


def _data_table(data: dict[str, Any]) -> dict[str, Any]:
    quarantined = ", ".join(f"{count} {reason}" for reason, count in sorted(data["quarantined"].items()))
    splits = ", ".join(f"{data['splits'][split]:,} {split}" for split in SPLITS)
    return {
        "source": data["source"],
        "kind": data["kind"],
        "digest": data["digest"],
        "rows": f"{data['rows']:,} ({splits})",
        "quarantined": quarantined or "none",
        "split": f"by {data['split_kind']}, holdout {data['holdout']:g}",
    }


def _text(value: Any) -> str:
    """A fact as text; settings keep the number that they were given."""
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return one_line(str(value))
