"""The one owner of the names and tags of our container images: which runs which step, and its name in a registry."""

import re
from collections.abc import Iterable

from forebay.errors import ConfigError
from forebay.version import VERSION

REPOSITORY = "forebay"
STEP_TARGETS = ("pipeline", "spark", "train")
TARGETS = (*STEP_TARGETS, "serve", "mlflow")  # targets of docker/Dockerfile

_REGISTRY = re.compile(r"[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def image_name(target: str, registry: str = "", digest: str = "") -> str:
    """The name of the container image built from a Dockerfile target; its tag is the package version, never `latest`.

    Args:
        target: one of `TARGETS`.
        registry: a host and a path, such as `registry.example.com/team`; empty for this machine's engine.
        digest: `sha256:` and 64 hex digits; it decides over the tag where both are given.
    """
    return "/".join(filter(None, (registry, REPOSITORY, f"{target}:{VERSION}"))) + (f"@{digest}" if digest else "")


PIPELINE = image_name("pipeline")  # register, deploy
SPARK = image_name("spark")  # ingest
TRAIN = image_name("train")  # preprocess, train, evaluate
SERVE = image_name("serve")  # the server
MLFLOW = image_name("mlflow")  # a tracking server, for docker/compose.yaml or a cluster
RUN_IMAGES = (PIPELINE, SPARK, TRAIN, SERVE)


def check_registry(registry: str) -> None:
    """Refuse a registry that cannot be the first part of a container image's name.

    Raises:
        ConfigError: it is no host and path.
    """
    if not _REGISTRY.fullmatch(registry):
        raise ConfigError(f"--registry takes a host and a path such as registry.example.com/team, got {registry!r}.")


def mirrored_name(name: str, registry: str) -> str:
    """The name of a copy of any container image in a registry: its path there, without the host that it came from."""
    host, slash, path = name.partition("/")
    if not slash:
        path = f"library/{name}"  # its full name on Docker Hub
    elif "." not in host and ":" not in host:
        path = name
    return f"{registry}/{path}"


def registry_names(registry: str, digests: Iterable[str]) -> dict[str, str]:
    """The names of the steps' container images in a registry, by their names without one.

    Args:
        registry: as in `image_name`.
        digests: `TARGET=sha256:…` for each target to pin.

    Raises:
        ConfigError: the registry is no host and path, or a digest names no target or is malformed.
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
    return {image_name(target): image_name(target, registry, pins.get(target, "")) for target in STEP_TARGETS}
