"""The smoke test: real rows over REST, compared with what evaluate got for them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.errors import DeployError, WrongVersionError
from forebay.serving.client import Predictions, infer, predict_arrays

BATCH_PIXELS = 1 << 20  # values in one request; as JSON about 4 MiB

Ask = Callable[[str, str, NDArray[np.uint8], float], Predictions]
PROTOCOLS: dict[str, Ask] = {"V2": infer, "V1": predict_arrays}


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """Rows and what a right answer to them is."""

    images_NHWC: NDArray[np.uint8]  # noqa: N815 - a shape suffix
    probabilities: NDArray[np.float32]  # (N, K), evaluate's
    version: str
    tolerance: float

    def check(self, server_url: str, name: str, timeout_s: float) -> None:
        """Send the rows over each protocol.

        Raises:
            WrongVersionError: another version answered.
            DeployError: other probabilities came back.
            ForebayError: no answer, or an error as answer.
        """
        rows = max(1, BATCH_PIXELS // self.images_NHWC[0].size)
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
    """Send a black image over each protocol, where no row with a known answer is at hand.

    Raises:
        WrongVersionError: another version answered.
        DeployError: no probabilities came back.
        ForebayError: no answer, or an error as answer.
    """
    black = np.zeros((1, *shape_HWC), np.uint8)
    for protocol, ask in PROTOCOLS.items():
        answers = ask(server_url, name, black, timeout_s)
        _check_version(answers, version, f"{name} over {protocol}")
        if answers.probabilities.shape != (1, classes) or not np.isclose(answers.probabilities.sum(), 1, atol=1e-3):
            raise DeployError(f"{name} over {protocol}: the answer is no distribution over {classes} classes.")


def _check_version(answers: Predictions, version: str, where: str) -> None:
    if answers.version != version:
        raise WrongVersionError(f"{where}: version {answers.version} answered where {version} was expected.")
