"""Thin KFP components, one per step: no branches, no loops; the logic is in `forebay.<step>`.

Their imports stand inside `with step(…)`, so that a broken installation is the step's own error and the seconds that
heavy libraries cost are counted.
"""

from forebay.components.choose import choose
from forebay.components.decode import decode
from forebay.components.deploy import deploy
from forebay.components.evaluate import evaluate
from forebay.components.fetch_model import fetch_model
from forebay.components.ingest import ingest
from forebay.components.predict import predict
from forebay.components.preprocess import preprocess
from forebay.components.register import register
from forebay.components.train import train
from forebay.components.trial import trial

__all__ = [
    "choose",
    "decode",
    "deploy",
    "evaluate",
    "fetch_model",
    "ingest",
    "predict",
    "preprocess",
    "register",
    "train",
    "trial",
]
