"""The deploy step's target on this machine: the server that the process of the pipeline keeps running."""

from dataclasses import replace

from forebay import registry
from forebay.deploy.smoke import SmokeTest
from forebay.errors import DeployError, ForebayError
from forebay.local.server.serving_requests import ServingReply, ServingRequest, send_request
from forebay.local.server.version_facts import keep_version_facts
from forebay.registry import RegisteredBundle
from forebay.serving.client import predict_url
from forebay.serving.state import DesiredModel
from forebay.settings import DeployConfig, ServeConfig
from forebay.state import RunFolder, StepLog

REPLY_MARGIN_S = 120.0  # added to deploy.timeout_s: time to start the server, and to put back what was served


class LocalServer:
    """Serves a version through requests to the process that runs the pipeline; see `forebay.deploy.target`."""

    def registered_bundle(self, reference: str, log: StepLog) -> RegisteredBundle:
        """As `DeployTarget.registered_bundle`."""
        return registry.resolve(log.home, reference)

    def serve(
        self, bundle: RegisteredBundle, smoke: SmokeTest, config: DeployConfig, serve: ServeConfig, log: StepLog
    ) -> str:
        """As `DeployTarget.serve`; the process that runs the pipeline has the server's settings already."""
        run = RunFolder(log.home.runs / log.run_id)
        served = DesiredModel.from_record(bundle.folder, bundle.version, bundle.weights_sha256, bundle.record)
        keep_version_facts(log.home, bundle)
        request = ServingRequest(action="stage", name=bundle.name, model=served, timeout_s=config.timeout_s)
        timeout_s = 2 * config.timeout_s + REPLY_MARGIN_S
        staged = send_request(run, request, timeout_s)
        try:
            smoke.check(staged.url, staged.serving, config.timeout_s)
            promoted = send_request(run, request.next("promote"), timeout_s)
            smoke.check(promoted.url, promoted.serving, config.timeout_s)
            registry.set_champion(log.home, bundle.name, bundle.version)
        except Exception as error:
            send_request(run, replace(request.next("discard"), previous=staged.previous), timeout_s)
            raise _kept(bundle, staged, error) from error
        return predict_url(promoted.url, bundle.name)


def _kept(bundle: RegisteredBundle, staged: ServingReply, error: Exception) -> DeployError:
    reason = str(error) if isinstance(error, ForebayError) else f"{type(error).__name__}: {error}"
    kept = f"Version {staged.previous.version} keeps answering" if staged.previous else "Nothing is served instead"
    return DeployError(
        f"{bundle.name} version {bundle.version} was not made champion: {reason} {kept}. The server's log says more: "
        "`forebay logs server`."
    )
