"""Build the container images; `make images` runs this. `python docker/build.py --help` lists what can be changed.

The build context is made anew: a copy of exactly the files that the Dockerfile copies, plus the wheel and jar folders
that were named. Nothing else of the checkout (a `.env`, a state folder) can get into a layer.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from forebay.container_images import TARGETS, image_name
from forebay.local.containers.engine import CODE_LABEL
from forebay.version import VERSION, code_version

ROOT = Path(__file__).resolve().parents[1]
COPIED = (
    "constraints.txt", ".ci/lockfile.py", "pyproject.toml", "README.md", "LICENSE", "src", "components", "pipelines",
    "docker/Dockerfile", "docker/install.sh", "docker/jars.sh", "docker/requirements", "docker/wheels", "docker/jars",
    "docker/weights",
)  # fmt: skip
FROM_ENVIRONMENT = (
    "BASE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX",
    "TORCH_INDEX", "ACCELERATOR", "MAVEN_URL", "HADOOP_AWS",
)  # fmt: skip
SOURCE = "https://github.com/forebay/forebay"


def main() -> int:
    """Build the chosen targets; print the size, layers and time of each."""
    options = _parser().parse_args()
    docker = shutil.which(os.environ.get("DOCKER", "docker"))
    if docker is None:
        print("There is no `docker` on the PATH. On Debian and Ubuntu: apt-get install docker.io", file=sys.stderr)
        return 2
    _prefer_buildkit(docker)
    _remember_torch_index()
    with tempfile.TemporaryDirectory(dir=_build_folder(), prefix="context-") as folder:
        context = Path(folder)
        _fill(context, options.wheels, options.jars, options.weights)
        for target in options.targets or TARGETS:
            start = time.monotonic()
            labels = [word for name, value in _labels(target).items() for word in ("--label", f"{name}={value}")]
            code = _build(docker, context, target, [*labels, "--tag", image_name(target)])
            if code == 0 and options.sbom:
                code = _list_contents(docker, context, target, options.sbom)
            if code:
                print(
                    f"The container image {image_name(target)} was not built; the lines above say why.", file=sys.stderr
                )
                return code
            print(_facts(docker, image_name(target), time.monotonic() - start), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docker/build.py",
        description=__doc__,
        epilog=f"Build arguments come from the environment: {', '.join(FROM_ENVIRONMENT)}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", type=_target, help=", ".join(TARGETS))
    parser.add_argument(
        "--wheels", type=_folder, help="folder of wheels to prefer (with PIP_NO_INDEX=1: the only source)"
    )
    parser.add_argument("--sbom", type=Path, metavar="FOLDER", help="write there what each image holds, as CycloneDX")
    parser.add_argument("--jars", type=_folder, help="folder of Java libraries for Spark: hadoop-aws and what it needs")
    parser.add_argument(
        "--weights", type=_folder, help="folder that `forebay weights fetch --to` filled, for the image train"
    )
    return parser


def _target(word: str) -> str:
    if word not in TARGETS:
        raise argparse.ArgumentTypeError(f"{word!r} is no image: choose from {', '.join(TARGETS)}")
    return word


def _folder(word: str) -> Path:
    if not Path(word).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {word}")
    return Path(word).resolve()


def _build_folder() -> Path:
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    return folder


def _fill(context: Path, wheels: Path | None, jars: Path | None, weights: Path | None) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in COPIED:
        source = ROOT / name
        (context / name).parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, context / name, ignore=ignored)
        else:
            shutil.copy2(source, context / name)
    # some packages exist only as source
    for folder, into, pattern in ((wheels, "wheels", "*.whl"), (wheels, "wheels", "*.tar.gz"), (jars, "jars", "*.jar")):
        for file in sorted(folder.glob(pattern)) if folder else ():
            _link(file, context / "docker" / into / file.name)
    for file in sorted(weights.rglob("*")) if weights else ():
        if file.suffix in (".safetensors", ".json"):
            target = context / "docker/weights" / file.relative_to(weights)
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(file, target)


def _link(source: Path, target: Path) -> None:
    """Link a file, which may have hundreds of megabytes and is never written again; copy it where that fails."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _build(docker: str, context: Path, target: str, arguments: list[str]) -> int:
    given = [word for name in FROM_ENVIRONMENT if os.environ.get(name) for word in ("--build-arg", name)]
    network = ["--network", os.environ["BUILD_NETWORK"]] if os.environ.get("BUILD_NETWORK") else []
    file = str(context / "docker" / "Dockerfile")
    return subprocess.call(
        [docker, "build", *network, *given, *arguments, "--target", target, "--file", file, str(context)]
    )


def _list_contents(docker: str, context: Path, target: str, folder: Path) -> int:
    """List what a container image holds in FOLDER/TARGET.cdx.json (CycloneDX) and FOLDER/TARGET.txt."""
    facts = {"OF": target, "NAME": image_name(target).rpartition(":")[0], "VERSION": VERSION}
    arguments = [word for name, value in facts.items() for word in ("--build-arg", f"{name}={value}")]
    written = context / "sbom.id"
    code = _build(docker, context, "sbom", [*arguments, "--iidfile", str(written)])
    if code:
        return code
    # not `build --output`, which only BuildKit has; the image holds nothing that could run, so the command is a word
    create = [docker, "create", written.read_text(), "nothing"]
    container = subprocess.run(create, capture_output=True, text=True, check=True).stdout.strip()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (f"{target}.cdx.json", f"{target}.txt"):
            subprocess.run([docker, "cp", f"{container}:/{name}", str(folder / name)], check=True)
    finally:
        subprocess.run([docker, "rm", container], stdout=subprocess.DEVNULL, check=True)
    return 0


def _labels(target: str) -> dict[str, str]:
    """Labels of a container image; given as options, so that a new revision builds no layer again."""
    opencontainers = {
        "title": f"Forebay {target}",
        "version": VERSION,
        "revision": _revision(),
        "source": SOURCE,
        "licenses": "Apache-2.0",
    }
    return {f"org.opencontainers.image.{name}": value for name, value in opencontainers.items()} | {
        CODE_LABEL: code_version()
    }


def _remember_torch_index() -> None:
    """Use the index that `make setup TORCH_INDEX=…` recorded for this checkout."""
    stamp = ROOT / ".venv" / "ready.json"
    if not os.environ.get("TORCH_INDEX") and stamp.is_file():
        os.environ["TORCH_INDEX"] = json.loads(stamp.read_text()).get("torch_index", "")


def _prefer_buildkit(docker: str) -> None:
    """Turn BuildKit on in clients before 23, where it is off: it builds stages in parallel, in half the time."""
    asked = [docker, "version", "--format", "{{.Client.Version}}"]
    version = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    if version.split(".")[0] in {"19", "20"}:
        os.environ.setdefault("DOCKER_BUILDKIT", "1")


def _revision() -> str:
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # not a checkout: a source archive


def _facts(docker: str, name: str, seconds: float) -> str:
    asked = subprocess.run([docker, "image", "inspect", name], capture_output=True, text=True, check=True)
    facts = json.loads(asked.stdout)[0]
    return f"{name}: {facts['Size'] / 1e6:,.0f} MB in {len(facts['RootFS']['Layers'])} layers, {seconds:.0f} s"


if __name__ == "__main__":
    raise SystemExit(main())
