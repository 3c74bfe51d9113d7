"""Loading one bundle for the server."""

import logging
from pathlib import Path

from forebay.errors import ModelError
from forebay.models import Classifier, load_bundle
from forebay.serving.repository.verify_predictions import verify_predictions
from forebay.serving.state import DesiredModel
from forebay.signing import verify_if_required

logger = logging.getLogger(__name__)


def load_for_serving(desired: DesiredModel) -> Classifier:
    """Load a bundle and try it, so that the first client neither waits nor finds out that it cannot answer.

    Args:
        desired: the model as it should be. Its record comes from the registry; without one only the weights are
            checked.

    Raises:
        ModelError: the bundle is not signed as `FOREBAY_VERIFY_KEY` requires, it cannot be loaded, it is not the one
            that is desired, or it does not answer with probabilities.
    """
    folder = Path(desired.bundle)
    signed = verify_if_required(folder)
    if desired.record is None and signed is None:
        logger.warning(
            "%s: no digest over all files of version %s is on record, so only its weights are checked. Register the "
            "model anew to have all of them checked.", folder, desired.version,
        )  # fmt: skip
    classifier = load_bundle(folder, desired.record or signed)
    if desired.record and signed and desired.record.digest != signed.digest:
        raise ModelError(f"{folder} was changed while it was read. Deploy the version again.")
    found = classifier.spec.weights_sha256
    if desired.weights_sha256 not in ("", found):
        raise ModelError(
            f"{folder} holds weights {found[:12]}…, not the {desired.weights_sha256[:12]}… that were registered. "
            "Deploy the version again."
        )
    verify_predictions(classifier, str(folder))
    return classifier
