"""One command of a plan, and how commands to a cluster begin."""

import shlex
from dataclasses import dataclass

from forebay.settings.namespaces import PLATFORM

RELEASE = PLATFORM  # of the chart, and its namespace
KIND_CLUSTER = "forebay"
KIND_CONTEXT = f"kind-{KIND_CLUSTER}"
PIECE_LABEL = "forebay.dev/piece"
KEPT_ANNOTATION = "forebay.dev/kept"  # of a namespace that was there before `up`: its Pod Security levels of then
SECURITY_LABEL = "pod-security.kubernetes.io/"
SECURITY_MODES = ("enforce", "warn")  # that manifests/base/namespace.yaml sets
APPLY_S = 600  # how long webhooks that have just been installed may take to answer
ROLLOUT_S = 900  # images of some gigabytes come through a slow line


@dataclass(frozen=True, kw_only=True)
class Action:
    """One command, what it does for people, and what it waits for."""

    title: str
    command: tuple[str, ...]
    waits: str = ""  # what has to happen before it ends; empty where it does its work and ends
    patient: bool = False  # the server may refuse for a while, because a webhook or a kind of it is just coming up
    look: tuple[str, ...] = ()  # a reading command that shows what is wrong when it fails

    def line(self) -> str:
        """The command as a shell takes it."""
        return shlex.join(self.command)


@dataclass(frozen=True)
class Target:
    """The cluster that commands go to, by its context; never the one that happens to be current."""

    context: str

    def kubectl(self, *words: str) -> tuple[str, ...]:
        """A kubectl command."""
        return ("kubectl", "--context", self.context, *words)

    def helm(self, *words: str) -> tuple[str, ...]:
        """A helm command in the namespace of our release."""
        return ("helm", "--kube-context", self.context, "--namespace", RELEASE, *words)

    def pods(self, namespace: str) -> tuple[str, ...]:
        """What to look at when something in a namespace does not come up."""
        return self.kubectl("get", "pods", "--namespace", namespace)
