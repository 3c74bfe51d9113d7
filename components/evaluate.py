"""evaluate: held-out accuracy, the report and the gate."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from forebay import container_images


@dsl.component(base_image=container_images.TRAIN, install_kfp_package=False)
def evaluate(
    shards: Input[Dataset],
    bundle: Input[Model],
    run_id: str,
    name: str,
    min_accuracy: float,
    baseline: str,
    max_class_drop: float,
    significance: float,
    confidence: float,
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
    classification: Output[ClassificationMetrics],
    report: Output[HTML],
) -> str:
    """Measure a model on held-out rows and answer passed or refused; see `forebay.evaluate`."""
    from forebay.state import step

    with step("evaluate", run_id) as log:
        from pathlib import Path

        from forebay.evaluate import evaluate as measure
        from forebay.settings import EvaluateConfig
        from forebay.state import write_bytes, write_json

        config = EvaluateConfig(
            name=name,
            min_accuracy=min_accuracy,
            baseline=baseline,
            max_class_drop=max_class_drop,
            significance=significance,
            confidence=confidence,
        )
        result = measure(Path(shards.path), Path(bundle.path), Path(evaluation.path), config, log)
        metrics.metadata.update(result.metrics)
        write_json(Path(metrics.path), result.metrics)
        classification.log_confusion_matrix(result.classes, result.confusion)
        classification.log_roc_curve(*result.roc)
        write_json(Path(classification.path), {"classes": result.classes, "confusion": result.confusion})
        write_bytes(Path(report.path), result.report.read_bytes())
    return result.decision
