"""The chart rendered without a cluster: by Helm's own library, into objects."""

import re
from typing import Any

import yaml
from helm_python import Chart

from forebay.cluster.spark.spark_application import ROLE, ROLE_LABEL
from support.manifest_checks import Pod
from support.paths import ROOT, TESTS

CHART = ROOT / "helm" / "forebay"
SCENARIOS = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
GOLDEN = TESTS / "helm" / "golden"
RELEASE = "forebay"

# The pods of served models: KServe makes them, and labels them so.
PREDICTOR = Pod("KServe", "forebay-models", {"serving.kserve.io/inferenceservice": "digits"}, {})
# The pods of an ingest with executors: the Spark Operator makes them, and hands the application's labels on.
SPARK = Pod("Spark Operator", "kubeflow", {ROLE_LABEL: ROLE}, {})

Values = dict[str, Any]
Object = dict[str, Any]


def scenario(name: str) -> Values:
    """The values of a scenario."""
    values: Values = yaml.safe_load((CHART / "ci" / f"{name}.yaml").read_text())
    return values


def render(values: Values) -> dict[str, str]:
    """Text by template path, without the empty ones; what a lookup would find in a cluster is not there."""
    with Chart.load(CHART) as chart:
        rendered = chart.render(values=values, name=RELEASE, namespace=RELEASE)
    return {path.partition("/templates/")[2]: text for path, text in sorted(rendered.items()) if text.strip()}


def objects(values: Values) -> list[Object]:
    """Every Kubernetes object."""
    texts = [text for path, text in render(values).items() if path.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def existing_secrets(values: Values) -> dict[str, set[str]]:
    """Secrets that the values name in place of the chart's own, with the keys that values.yaml asks of them."""
    keys = {
        ("postgres",): {"password"},
        ("externalDatabase",): {"password"},
        ("s3",): {"access-key", "secret-key"},
        ("externalS3",): {"access-key", "secret-key"},
        ("mlflow", "auth"): {"username", "password", "flask-secret-key"},
    }
    found = {}
    for path, wanted in keys.items():
        part = values
        for word in path:
            part = part.get(word, {})
        if part.get("existingSecret"):
            found[part["existingSecret"]] = wanted
    return found


def golden_text(name: str) -> str:
    """A scenario as its golden file holds it: every object, and no password."""
    documents = []
    for path, text in render(scenario(name)).items():
        if path.endswith(".yaml") and yaml.safe_load(text):
            documents.append(f"# {path}\n{text.strip()}\n")
    hidden = re.sub(
        r"^(  [a-z_-]*(?:password|key|key_id): )[A-Za-z0-9]{32}$",
        r"\1GENERATED",
        "---\n".join(documents),
        flags=re.M | re.I,
    )
    return re.sub(r"[ \t]+$", "", hidden, flags=re.M)
