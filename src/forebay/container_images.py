"""The one owner of image names and tags: which image runs which step, and how another registry's are named."""

import re
from collections.abc import Iterable

from forebay.errors import ConfigError
from forebay.version import VERSION

REPOSITORY = "forebay"
STEP_TARGETS = ("pipeline", "spark", "train")
TARGETS = (*STEP_TARGETS, "serve", "mlflow")  # of docker/Dockerfile

_REGISTRY = re.compile(r"[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def image(target: str, registry: str = "", digest: str = "") -> str:
    """The image built from a Dockerfile target, tagged with the package version, never `latest`.

    Args:
        target: one of `TARGETS`.
        registry: what stands before the name, such as `registry.example.com/team`; empty for this machine's engine.
        digest: `sha256:` and 64 hex digits, which decide over the tag wherever both are given.
    """
    return "/".join(filter(None, (registry, REPOSITORY, f"{target}:{VERSION}"))) + (f"@{digest}" if digest else "")


PIPELINE = image("pipeline")  # register, deploy
SPARK = image("spark")  # ingest
TRAIN = image("train")  # preprocess, train, evaluate
SERVE = image("serve")  # the server
MLFLOW = image("mlflow")  # a tracking server, for a stand or a cluster
OF_A_RUN = (PIPELINE, SPARK, TRAIN, SERVE)


def check_registry(registry: str) -> None:
    """Find out whether a word can stand before an image's name.

    Raises:
        ConfigError: it cannot.
    """
    if not _REGISTRY.fullmatch(registry):
        raise ConfigError(f"--registry takes a host and a path such as registry.example.com/team, got {registry!r}.")


def mirrored(name: str, registry: str) -> str:
    """What an image of anybody's is called in a registry that copies of many lie in: its path without the host."""
    host, slash, path = name.partition("/")
    if not slash:
        path = f"library/{name}"  # as Docker Hub calls it in full
    elif "." not in host and ":" not in host:
        path = name
    return f"{registry}/{path}"


def renamed(registry: str, digests: Iterable[str]) -> dict[str, str]:
    """What the images of the steps are called in a registry, by their names here.

    Args:
        registry: as in `image`.
        digests: `TARGET=sha256:…`, for the targets to pin.

    Raises:
        ConfigError: a word is none of these.
    """
    if registry:
        check_registry(registry)
    pins: dict[str, str] = {}
    for word in digests:
        target, _, digest = word.partition("=")
        if target not in STEP_TARGETS or not _DIGEST.fullmatch(digest):
            raise ConfigError(
                f"--digest takes TARGET=sha256:64 hex digits, TARGET being one of {', '.join(STEP_TARGETS)}; "
                f"got {word!r}. `docker push` prints the digest."
            )
        pins[target] = digest
    return {image(target): image(target, registry, pins.get(target, "")) for target in STEP_TARGETS}
