"""A kubelet of one process: it runs a pod's one container to its end, with the environment that a real one gives."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from support.fake_kube.objects import Object


@dataclass(frozen=True)
class Kubelet:
    """Runs pods in a folder.

    Attributes:
        folder: the container's working folder; it stands for every volume.
        api_url: the API server that pods find.
        kubeconfig: by which pods with a token find another one.
        data: what a ConfigMap or a Secret of a name holds.
    """

    folder: Path
    api_url: str
    kubeconfig: Path | None
    data: Callable[[str, str], dict[str, str]]

    def run(self, pod: Object) -> tuple[str, Object]:
        """Run the container; its log, and the pod's status."""
        container = pod["spec"]["containers"][0]
        environment = dict(self._environment(container))
        if pod["spec"]["automountServiceAccountToken"]:
            environment = {**environment, "KUBECONFIG": str(self.kubeconfig), "KUBERNETES_SERVICE_HOST": ""}
        command = [sys.executable, *container["command"][1:]]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder
        )
        state = {"terminated": {"exitCode": done.returncode, "reason": "Completed"}}
        ended = {"name": container["name"], "image": container["image"], "state": state, "ready": False}
        phase = "Failed" if done.returncode else "Succeeded"
        return done.stdout, {"phase": phase, "containerStatuses": [ended]}

    def _environment(self, container: Object) -> Iterator[tuple[str, str]]:
        yield from ((name, os.environ[name]) for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ)
        address = urlsplit(self.api_url)
        yield from (("KUBERNETES_SERVICE_HOST", str(address.hostname)), ("KUBERNETES_SERVICE_PORT", str(address.port)))
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        for variable in container["env"]:
            if "value" in variable:
                yield variable["name"], self._mounted(variable["value"], mounts)
                continue
            (source, reference), *_ = variable["valueFrom"].items()
            held = self.data("ConfigMap" if source == "configMapKeyRef" else "Secret", reference["name"])
            if reference["key"] in held:
                yield variable["name"], held[reference["key"]]

    def _mounted(self, value: str, mounts: list[str]) -> str:
        path = Path(value)
        return str(self.folder / path.name) if str(path.parent) in mounts else value
