"""An obstacle in words, with the end of the log of the container that crashed."""

from forebay.kube.client import Api, ApiError
from forebay.kube.pod_problems import Obstacle
from forebay.state.mask import without_passwords

LINES = 8
BEARS_S = 10.0  # what they would say is worth no more


def explained(api: Api, namespace: str, found: Obstacle) -> str:
    """What an obstacle says, and the last lines of the log where there is one."""
    if not found.pod:
        return found.text
    try:
        log = (
            api.bearing(BEARS_S)
            .log(namespace, found.pod, found.container, lines=LINES, previous=found.restarted)
            .strip()
        )
    except ApiError:
        return found.text  # the pod is gone; what it ended with is known
    lines = " | ".join(line.strip() for line in log.splitlines() if line.strip())
    return f"{found.text} Its last lines: {without_passwords(lines)}"
