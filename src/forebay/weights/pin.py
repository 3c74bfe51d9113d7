"""What a run is told of its first weights, so that its steps take the very same file wherever they run."""

from pathlib import Path

from forebay.errors import ConfigError, ModelError
from forebay.object_store import is_s3_uri
from forebay.settings import AUTO
from forebay.state import Home
from forebay.weights.file import PICKLE_SUFFIXES, is_file_name
from forebay.weights.find import NONE, PUBLISHED, check_published_name, find_weights
from forebay.weights.registered import PREFIX


def pin_weights(home: Home, weights: str, model: str, sha256: str) -> tuple[str, str]:
    """Weights and digest for the steps of a run: a full path, a version's number, and the digest that the file has now.

    Files, objects in S3 and registered versions are found here, before the run; what timm publishes is left to train.

    Args:
        home: the state folder, which keeps what was fetched.
        weights: `train.weights` as it was given.
        model: `train.model` as it was given.
        sha256: `train.weights_sha256` as it was given.

    Raises:
        ConfigError: there are no such weights.
    """
    try:
        if not is_file_name(weights) and not weights.startswith(PREFIX):
            if weights not in (AUTO, NONE, PUBLISHED):
                check_published_name(weights)
            return weights, sha256
        found = find_weights(weights, model, home=home, sha256=sha256)
    except ModelError as error:
        raise ConfigError(str(error)) from error
    if weights.startswith(PREFIX):
        return found.source, found.sha256
    full = weights if is_s3_uri(weights) else str(Path(weights).expanduser().absolute())
    return full, sha256 if weights.endswith(PICKLE_SUFFIXES) else found.sha256
