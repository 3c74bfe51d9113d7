"""The smoke test: send real rows over REST and compare the answers with what evaluate computed for them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.errors import DeployError, WrongVersionError
from forebay.serving.client import Predictions, infer, predict_arrays

BATCH_VALUES = 1 << 20  # values in one request, about 4 MiB as JSON

Ask = Callable[[str, str, NDArray[np.uint8], float], Predictions]
PROTOCOLS: dict[str, Ask] = {"V2": infer, "V1": predict_arrays}


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """Rows, and the answers that the server should give."""

    images_NHWC: NDArray[np.uint8]  # noqa: N815 - a shape suffix
    probabilities: NDArray[np.float32]  # (N, K), computed by evaluate
    version: str
    tolerance: float

    def check(self, server_url: str, name: str, timeout_s: float) -> None:
        """Send the rows over each protocol.

        Raises:
            WrongVersionError: another version answered.
            DeployError: other probabilities came back.
            ForebayError: the server did not answer, or answered with an error.
        """
        rows = max(1, BATCH_VALUES // self.images_NHWC[0].size)
        for protocol, ask in PROTOCOLS.items():
            for start in range(0, len(self.images_NHWC), rows):
                part = slice(start, start + rows)
                answers = ask(server_url, name, self.images_NHWC[part], timeout_s)
                self._compare(answers, self.probabilities[part], f"{name} over {protocol}")

    def _compare(self, answers: Predictions, expected: NDArray[np.float32], where: str) -> None:
        _check_version(answers, self.version, where)
        if answers.probabilities.shape != expected.shape:
            raise DeployError(
                f"{where}: {answers.probabilities.shape} probabilities came back where evaluate has {expected.shape}."
            )
        largest = float(np.abs(answers.probabilities - expected).max())
        if not largest <= self.tolerance:  # in this form NaN fails as well
            raise DeployError(
                f"{where}: probabilities differ from evaluate's by up to {largest:.3g}, deploy.tolerance allows "
                f"{self.tolerance:g}. The server would answer otherwise than was measured."
            )


def check_answers(
    server_url: str,
    *,
    name: str,
    version: str,
    shape_HWC: tuple[int, int, int],
    classes: int,
    timeout_s: float,
) -> None:
    """Send a black image over each protocol, for versions without rows whose answers are known.

    Raises:
        WrongVersionError: another version answered.
        DeployError: no probabilities came back.
        ForebayError: the server did not answer, or answered with an error.
    """
    black = np.zeros((1, *shape_HWC), np.uint8)
    for protocol, ask in PROTOCOLS.items():
        answers = ask(server_url, name, black, timeout_s)
        _check_version(answers, version, f"{name} over {protocol}")
        if answers.probabilities.shape != (1, classes) or not np.isclose(answers.probabilities.sum(), 1, atol=1e-3):
            raise DeployError(f"{name} over {protocol}: the answer is not a distribution over {classes} classes.")


def _check_version(answers: Predictions, version: str, where: str) -> None:
    if answers.version != version:
        raise WrongVersionError(f"{where}: version {answers.version} answered where {version} was expected.")
