"""Evaluate: measure a model on held-out rows, report, and decide whether it may be deployed."""

from forebay.contracts.evaluation import EvaluationResult
from forebay.evaluate.step import evaluate

__all__ = ["EvaluationResult", "evaluate"]
