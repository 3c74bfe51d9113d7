"""Files of the hub that publishes timm's weights: Hugging Face's, or the one that HF_ENDPOINT names.

Its library reads HF_ENDPOINT, HF_HUB_OFFLINE and HF_TOKEN. Files pass through its cache where HF_HOME or HF_HUB_CACHE
names one, else through a folder that is removed.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forebay.state.machine_errors import add_file_name
from forebay.state.mask import without_passwords
from forebay.weights.errors import WeightsError

CACHE_VARIABLES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
TIMEOUT_S = 10.0  # of the question for a file's size and digest
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository at one commit."""

    repository: str
    name: str
    commit: str
    sha256: str  # as the hub states it; empty where it states none
    endpoint: str

    @property
    def source(self) -> str:
        """Where it is from, for people."""
        return f"{self.endpoint}/{self.repository} at {self.commit[:12]}"


@contextmanager
def fetched_file(repository: str, name: str, wanted: str, scratch: Path) -> Iterator[tuple[HubFile, Path]]:
    """Download a file, or take it from the hub's cache; it may be gone after the block.

    Args:
        repository: OWNER/NAME.
        name: of the file.
        wanted: what the file is for, for the messages.
        scratch: folder of this machine for what is on its way.

    Raises:
        WeightsError: the hub does not answer, refuses, or has no such file; the message says what to do.
        OSError: the disk is full or fails.
    """
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # it draws on the terminal that a command draws on, too
    with tempfile.TemporaryDirectory(prefix=".hub-", dir=scratch) as folder:
        cache = None if any(os.environ.get(each) for each in CACHE_VARIABLES) else folder
        with add_file_name(scratch), _explained(repository, name, wanted):
            path = _download(repository, name, cache)
        blob = path.resolve()  # the cache names what it holds by the digest that the hub states
        sha256 = blob.name if _SHA256.fullmatch(blob.name) else ""
        yield HubFile(repository, name, path.parent.name, sha256, _endpoint()), blob


def _download(repository: str, name: str, cache: str | None) -> Path:
    """The file's path in the cache, where its folder is named by the commit."""
    import huggingface_hub as hub

    try:  # asked first, because the download alone goes on asking for half a minute where nobody answers
        hub.get_hf_file_metadata(hub.hf_hub_url(repository, name), timeout=TIMEOUT_S)
    except Exception:
        cached = hub.try_to_load_from_cache(repository, name, cache_dir=cache)
        if not isinstance(cached, str):
            raise
        return Path(cached)
    return Path(hub.hf_hub_download(repository, name, cache_dir=cache))


@contextmanager
def _explained(repository: str, name: str, wanted: str) -> Iterator[None]:
    from huggingface_hub.errors import EntryNotFoundError, OfflineModeIsEnabled, XetDownloadError
    from huggingface_hub.errors import HTTPError as TransportError  # type: ignore[attr-defined] # no package of ours

    try:
        yield
    except (EntryNotFoundError, TransportError, OfflineModeIsEnabled, XetDownloadError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # this machine's: the disk is full, a folder may not be written
        raise WeightsError(f"{wanted}: {_problem(error, repository, name)}") from error


def _problem(error: Exception, repository: str, name: str) -> str:
    from huggingface_hub import errors

    hub = _endpoint()
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE forbids to ask {hub}, and {repository} is not in its cache. {ELSEWHERE}"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return (
            f"{hub}/{repository} holds no {name}. Only safetensors are taken from a hub; give other weights, or a .pth "
            "file that you trust together with train.weights_sha256."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{hub} does not give out {repository}: there is none, or it asks for a login. Accept its licence there "
            "and set HF_TOKEN, or give other weights."
        )
    if isinstance(error, errors.HfHubHTTPError):
        return f"{hub} answers {error.response.status_code} for {repository}. Try again later. {ELSEWHERE}"
    words = without_passwords(" ".join(str(error).split())) or type(error).__name__
    return f"{repository} cannot be fetched from {hub}: {words}. Try again. {ELSEWHERE}"


def _endpoint() -> str:
    """The hub's address as people and records see it; one of a mirror may hold a login."""
    from huggingface_hub import constants

    return without_passwords(str(constants.ENDPOINT))


ELSEWHERE = (
    "Where there is no network, `forebay weights fetch NAME --to FOLDER` (or s3://…) on another machine fills a store "
    "that FOREBAY_WEIGHTS_STORE names here."
)
