"""docker/jars.sh against a Maven repository in a folder, with the Ivy that Spark brings and the Java it runs on."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyspark
import pytest

from support.paths import ROOT

SCRIPT = ROOT / "docker" / "jars.sh"
SPARK_JARS = Path(pyspark.__file__).parent / "jars"
HADOOP = next(SPARK_JARS.glob("hadoop-client-runtime-*.jar")).stem.removeprefix("hadoop-client-runtime-")
PROJECT = "<groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version>"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An environment whose Spark has only the libraries that the script itself needs."""
    jars = tmp_path / "modules" / "pyspark" / "jars"
    jars.mkdir(parents=True)
    (jars.parent / "__init__.py").touch()
    for pattern in ("ivy-*.jar", "hadoop-client-runtime-*.jar"):
        shutil.copy(next(SPARK_JARS.glob(pattern)), jars)
    program = tmp_path / "target" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={jars.parents[1]} exec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return program.parents[1]


@pytest.fixture
def maven(tmp_path: Path) -> Iterator[str]:
    """A repository with hadoop-aws, the one library it needs, and one that Spark provides and that is not there."""
    bundle = ("software.amazon.awssdk", "bundle", "2.35.4")
    provided = ("org.apache.hadoop", "hadoop-common", HADOOP)
    _publish(tmp_path / "repo", bundle, [])
    _publish(
        tmp_path / "repo",
        ("org.apache.hadoop", "hadoop-aws", HADOOP),
        [f"{PROJECT.format(*bundle)}<scope>compile</scope>", f"{PROJECT.format(*provided)}<scope>provided</scope>"],
    )
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "repo"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _publish(root: Path, coordinates: tuple[str, str, str], needs: list[str]) -> None:
    group, name, version = coordinates
    folder = root / group.replace(".", "/") / name / version
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / f"{name}-{version}.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    listed = "".join(f"<dependency>{need}</dependency>" for need in needs)
    (folder / f"{name}-{version}.pom").write_text(
        f"<project><modelVersion>4.0.0</modelVersion>{PROJECT.format(*coordinates)}"
        f"<dependencies>{listed}</dependencies></project>"
    )


def added(target: Path, folder: Path, wanted: str, url: str) -> tuple[int, list[str], str]:
    """Exit code, the names of the libraries that came in, and what was said."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["sh", str(SCRIPT), str(folder), str(target), wanted],
        env={**os.environ, "MAVEN_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    jars = target.parent / "modules" / "pyspark" / "jars"
    before = ("ivy-", "hadoop-client-runtime-")
    return done.returncode, sorted(jar.name for jar in jars.iterdir() if not jar.name.startswith(before)), done.stderr


def test_hadoop_aws_of_sparks_own_version_comes_with_what_it_needs(target: Path, maven: str, tmp_path: Path) -> None:
    code, jars, _ = added(target, tmp_path / "none", "yes", maven)
    assert (code, jars) == (0, ["bundle-2.35.4.jar", f"hadoop-aws-{HADOOP}.jar"])


def test_a_folder_that_holds_it_needs_no_maven(target: Path, tmp_path: Path) -> None:
    folder = tmp_path / "jars"
    folder.mkdir()
    for name in (f"hadoop-aws-{HADOOP}.jar", "other.jar"):
        (folder / name).write_bytes(b"PK")
    code, jars, _ = added(target, folder, "yes", "http://127.0.0.1:9/")
    assert (code, jars) == (0, [f"hadoop-aws-{HADOOP}.jar", "other.jar"])


def test_it_can_be_left_out(target: Path, tmp_path: Path) -> None:
    assert added(target, tmp_path / "none", "no", "http://127.0.0.1:9/")[:2] == (0, [])


def test_an_unreachable_maven_says_what_to_give(target: Path, tmp_path: Path) -> None:
    code, jars, said = added(target, tmp_path / "none", "yes", "http://user:5ecret@127.0.0.1:9/")
    assert (code, jars) == (1, [])
    assert f"hadoop-aws {HADOOP} cannot be had from http://***@127.0.0.1:9/. Give MAVEN_URL" in said
    assert "5ecret" not in said
    assert "HADOOP_AWS=no" in said
