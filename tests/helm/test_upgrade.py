"""An upgrade from the last release keeps passwords, volumes and what Kubernetes cannot change in place.

`previous/` holds, of each scenario as the last release rendered it, only what must stay. A release writes it anew with
FOREBAY_RELEASE=write; before the first one it is the chart's first state.
"""

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.helm_chart import SCENARIOS, Object, objects, scenario
from support.manifest_checks import check_upgrade, kept

COPIES = {"mlpipeline-minio-artifact", "kfp-mlflow-credentials", "forebay-steps", "forebay-models-store"}
PREVIOUS = Path(__file__).parent / "previous"


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_upgrade_from_the_last_release_changes_nothing_that_cannot_change(name: str) -> None:
    path = PREVIOUS / f"{name}.yaml"
    now = objects(scenario(name))
    if os.environ.get("FOREBAY_RELEASE") == "write":
        path.write_text(yaml.safe_dump_all(kept(now), sort_keys=False))
    previous = list(yaml.safe_load_all(path.read_text()))
    assert len(previous) >= 4
    assert [str(finding) for finding in check_upgrade(previous, now)] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_holds_data_or_a_password_is_kept_when_the_release_goes(name: str) -> None:
    for each in objects(scenario(name)):
        if each["kind"] in ("Secret", "PersistentVolumeClaim") and each["metadata"]["name"] not in COPIES:
            assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep", each["metadata"]["name"]


def test_no_password_is_in_what_is_committed() -> None:
    secrets = [each for each in kept(objects({})) if each["kind"] == "Secret"]
    assert [set(each) for each in secrets] == [{"kind", "metadata", "keys"}] * 8


@pytest.mark.parametrize(
    ("name", "kind", "path", "value", "said"),
    [
        ("kind", "Secret", "metadata name", "forebay-other", "is gone or renamed"),
        (
            "kind",
            "Secret",
            "stringData",
            {"password": "x", "new": "y"},
            "keys: ['username'] are gone",
        ),
        ("kind", "Secret", "metadata annotations", {}, "was kept when the release goes, and is no longer"),
        ("minimal", "PersistentVolumeClaim", "metadata name", "data", "is gone or renamed"),
        (
            "minimal",
            "PersistentVolumeClaim",
            "spec storageClassName",
            "gp3",
            "and is {'accessModes': ['ReadWriteOnce'], 's",
        ),
        ("minimal", "PersistentVolumeClaim", "metadata annotations", {}, "and is no longer"),
        ("kind", "StatefulSet", "metadata name", "postgres", "is gone or renamed"),
        ("kind", "StatefulSet", "spec volumeClaimTemplates 0 metadata name", "disk", "'disk'"),
        ("kind", "StatefulSet", "spec volumeClaimTemplates 0 spec resources requests storage", "9Gi", "'9Gi'"),
        ("kind", "StatefulSet", "spec selector matchLabels", {"app": "pg"}, "{'app': 'pg'}"),
        ("kind", "StatefulSet", "spec serviceName", "pg", "'pg'"),
        ("kind", "Deployment", "spec selector matchLabels", {"app": "mlflow"}, "{'app': 'mlflow'}"),
        ("kind", "RoleBinding", "roleRef name", "other", "roleRef"),
        ("kind", "PriorityClass", "value", 7, "7"),
    ],
)
def test_a_change_that_an_upgrade_cannot_make_is_found(name: str, kind: str, path: str, value: Any, said: str) -> None:
    before = objects(scenario(name))
    after = copy.deepcopy(before)
    place: Any = next(each for each in after if each["kind"] == kind)
    *above, last = (int(word) if word.isdigit() else word for word in path.split())
    for word in above:
        place = place[word]
    place[last] = value
    findings = [str(finding) for finding in check_upgrade(before, after)]
    assert len(findings) == 1
    assert said in findings[0]


def test_what_may_change_is_no_finding() -> None:
    before = objects(scenario("kind"))
    after: list[Object] = copy.deepcopy(before)
    for each in after:
        each["metadata"].setdefault("labels", {})["helm.sh/chart"] = "forebay-9.9.9"
        if each["kind"] == "Secret":
            each["stringData"]["one-more"] = "x"
        if each["kind"] == "StatefulSet":
            each["spec"]["template"]["spec"]["containers"][0]["image"] = "postgres:18"
    assert check_upgrade(before, [*after, {"kind": "Service", "metadata": {"name": "new"}}]) == []
