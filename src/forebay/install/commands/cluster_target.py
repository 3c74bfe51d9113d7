"""How a command to one cluster begins."""

from dataclasses import dataclass

from forebay.install.names import RELEASE


@dataclass(frozen=True)
class ClusterTarget:
    """The cluster that commands go to, named by its context: it may differ from the current one."""

    context: str

    def kubectl(self, *arguments: str) -> tuple[str, ...]:
        """A kubectl command."""
        return ("kubectl", "--context", self.context, *arguments)

    def helm(self, *arguments: str) -> tuple[str, ...]:
        """A helm command in the namespace of our release."""
        return ("helm", "--kube-context", self.context, "--namespace", RELEASE, *arguments)

    def list_pods(self, namespace: str) -> tuple[str, ...]:
        """The command that lists the pods of a namespace."""
        return self.kubectl("get", "pods", "--namespace", namespace)
