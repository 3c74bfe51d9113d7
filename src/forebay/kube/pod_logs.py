"""A pod's problem in words, with the end of the log of the container that crashed."""

from forebay.kube.client import ApiError, KubeClient
from forebay.kube.pod_problems import PodProblem
from forebay.state.mask import without_passwords

LINES = 8
RETRY_LIMIT_S = 10.0  # the lines are worth no longer wait


def with_last_lines(api: KubeClient, namespace: str, problem: PodProblem) -> str:
    """The problem's text, followed by the last lines of the log where there is one."""
    if not problem.pod:
        return problem.text
    patient = api.with_retry_limit(RETRY_LIMIT_S)
    try:
        log = patient.pod_log(
            namespace, problem.pod, problem.container, lines=LINES, previous=problem.is_restarted
        ).strip()
    except ApiError:
        return problem.text  # the pod is gone; its exit status is in the text
    lines = " | ".join(line.strip() for line in log.splitlines() if line.strip())
    return f"{problem.text} Its last lines: {without_passwords(lines)}"
