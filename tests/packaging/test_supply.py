"""`make sbom` lists what the wheel brings along, and `make audit` says what is open and what it could not ask."""

import json
import shutil
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from pathlib import Path
from typing import Any

import lockfile
import pytest
from closure import closure
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from forebay.version import VERSION
from support.fake_http_server import answering
from support.paths import ROOT

LOCK = {pin.name: pin for pin in lockfile.read((ROOT / "constraints.txt").read_text())}
AUDITED = ("kfp", "torch", "urllib3")
NOBODY = "http://127.0.0.1:9"  # the discard port: refused at once
SCHEMAS = ("bom-1.6", "spdx", "jsf-0.82")


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both lists."""
    folder = tmp_path_factory.mktemp("sbom")
    subprocess.run([sys.executable, str(ROOT / ".ci" / "sbom.py"), str(folder)], check=True, capture_output=True)
    return folder


def test_the_list_is_valid_cyclonedx(sbom: Path) -> None:
    folder = files("cyclonedx.schema") / "_res"
    schemas = [json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text()) for name in SCHEMAS]
    registry = Registry().with_resources([(each["$id"], Resource.from_contents(each)) for each in schemas])
    listed = json.loads((sbom / "environment.cdx.json").read_text())
    assert list(Draft7Validator(schemas[0], registry=registry).iter_errors(listed)) == []


def test_the_list_holds_what_the_wheel_needs_with_hashes_and_licences_and_no_tool(sbom: Path) -> None:
    listed = json.loads((sbom / "environment.cdx.json").read_text())
    assert listed["metadata"]["component"]["name"] == "forebay"
    assert listed["metadata"]["component"]["version"] == VERSION
    components = {each["name"]: each for each in listed["components"]}
    assert components.keys() == closure(["forebay"]).keys() - {"forebay"}
    assert "pytest" not in components
    for name, component in components.items():
        assert component["version"].split("+")[0] == LOCK[name].version
        hashes = [each["content"] for at in component.get("externalReferences", []) for each in at["hashes"]]
        assert {f"sha256:{each}" for each in hashes} == set(LOCK[name].hashes)
    assert components["kfp"]["licenses"]
    assert components["torch"]["properties"][0]["value"].startswith("taken from an index of its own")
    needs = {each["ref"].split("==")[0]: each.get("dependsOn", []) for each in listed["dependencies"]}
    assert f"urllib3=={LOCK['urllib3'].version}" in needs["kfp"]
    assert len((sbom / "environment.txt").read_text().splitlines()) == len(components) + 1


def advisory(name: str, number: str, *aliases: str) -> dict[str, Any]:
    affected = {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": []}
    return {"id": number, "aliases": aliases, "summary": f"{name} is bad", "affected": [affected]}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose lock is short."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / ".ci", root / ".ci")
    (root / "constraints.txt").write_text("".join(f"{LOCK[name].requirement}\n" for name in AUDITED))
    return root


def audit(checkout: Path, *words: str) -> tuple[int, str]:
    """The exit code of an audit, and what it printed."""
    command = [sys.executable, str(checkout / ".ci" / "audit.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def audited(checkout: Path, found: dict[str, dict[str, Any]]) -> tuple[int, str]:
    """The same at a service that speaks OSV's protocol and knows these advisories, by package."""

    def answer(request: BaseHTTPRequestHandler) -> dict[str, Any]:
        asked = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        name = asked["package"]["name"]
        return {"vulns": [found[name]]} if name in found else {}

    with answering(answer) as address:
        return audit(checkout, "--osv-url", f"{address}/v1/query")


def test_an_explained_advisory_is_known_by_its_alias_and_everything_was_asked_about(checkout: Path) -> None:
    code, says = audited(checkout, {"kfp": advisory("kfp", "PYSEC-2026-1", "GHSA-rhjm-6347-5x33")})
    assert code == 0, says
    assert f"known: GHSA-rhjm-6347-5x33 in kfp {LOCK['kfp'].version}: kfp's local runner evaluates" in says
    assert "3 of 3 packages were asked about at osv: 0 open." in says
    assert "Not looked at by any of this: libraries inside wheels" in says


def test_any_other_advisory_is_open(checkout: Path) -> None:
    code, says = audited(checkout, {"urllib3": advisory("urllib3", "GHSA-aaaa-bbbb-cccc")})
    assert code == 1, says
    opened = f"OPEN: GHSA-aaaa-bbbb-cccc in urllib3 {LOCK['urllib3'].version}, mended in no version yet: urllib3 is bad"
    assert opened in says.splitlines()


def test_a_service_that_does_not_answer_is_no_good_answer(checkout: Path) -> None:
    code, says = audit(checkout, "--osv-url", NOBODY)
    assert code == 3, says
    assert "NOT KNOWN: none of 3 packages could be asked about at osv: " in says
    assert "Connection" in says


def test_packages_that_the_service_does_not_know_are_named(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip-audit answers 'no known vulnerabilities' and 0 where a proxy hides the service behind 404."""
    answer = json.dumps({"dependencies": [{"name": name, "skip_reason": "not found"} for name in AUDITED]})
    script = f"import sys\nopen(sys.argv[sys.argv.index('--output') + 1], 'w').write({answer!r})\n"
    (tmp_path / "pip_audit.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, says = audit(checkout)
    assert code == 3, says
    assert "NOT KNOWN: urllib3: not found" in says.splitlines()
    assert "0 of 3 packages were asked about" in says


def test_each_advisory_that_is_explained_is_about_the_version_of_the_lock() -> None:
    explained = tomllib.loads((ROOT / ".ci" / "advisories.toml").read_text())["advisory"]
    assert [(each["id"], LOCK[each["package"]].version) for each in explained] == [
        (each["id"], each["version"]) for each in explained
    ]
    assert all(each["reason"] for each in explained)
