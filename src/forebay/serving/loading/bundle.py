"""Loading one bundle for the server."""

import logging
from pathlib import Path

from forebay.errors import ModelError
from forebay.models import Classifier, load_bundle
from forebay.serving.loading.probe import probe
from forebay.serving.state import DesiredModel
from forebay.signing import verify_if_asked

logger = logging.getLogger(__name__)


def open_bundle(served: DesiredModel) -> Classifier:
    """Load a bundle and try it, so that the first client neither waits nor finds out that it cannot answer.

    Args:
        served: the model as it should be. Its record is the registry's word; without one only the weights are checked.

    Raises:
        ModelError: it is not signed as `FOREBAY_VERIFY_KEY` wants it, it cannot be loaded, it is not the one that was
            asked for, or it does not answer with probabilities.
    """
    folder = Path(served.bundle)
    signed = verify_if_asked(folder)
    if served.record is None and signed is None:
        logger.warning(
            "%s: no digest over all files of version %s is on record, so only its weights are checked. Register the "
            "model anew to have all of them checked.", folder, served.version,
        )  # fmt: skip
    classifier = load_bundle(folder, served.record or signed)
    if served.record and signed and served.record.digest != signed.digest:
        raise ModelError(f"{folder} was changed while it was read. Deploy the version again.")
    found = classifier.spec.weights_sha256
    if served.weights_sha256 not in ("", found):
        raise ModelError(
            f"{folder} holds weights {found[:12]}…, not the {served.weights_sha256[:12]}… that were registered. "
            "Deploy the version again."
        )
    probe(classifier, str(folder))
    return classifier
