"""Where a model version is served: what the deploy step needs of the place that it runs in."""

from typing import Protocol

from forebay.deploy.smoke import SmokeTest
from forebay.registry import RegisteredBundle
from forebay.settings import DeployConfig, ServeConfig
from forebay.state import StepLog


class DeployTarget(Protocol):
    """Serves registered versions: the server of this machine, or KServe on a cluster."""

    def registered_bundle(self, reference: str, log: StepLog) -> RegisteredBundle:
        """The bundle of `NAME/VERSION`.

        Raises:
            ModelError: there is none.
        """

    def serve(
        self, bundle: RegisteredBundle, smoke: SmokeTest, config: DeployConfig, serve: ServeConfig, log: StepLog
    ) -> str:
        """Serve a version, compare its answers with the expected ones, and make it champion.

        Returns:
            The URL of its V1 predict path.

        Raises:
            DeployError: the version did not come up or answered otherwise; what was served before still is.
            ConfigError: the place cannot be reached, or cannot serve a model of that name.
        """
