"""Kubeflow Pipelines on the wire, as far as `forebay submit` sees it; runs are as real ones were (submit/recorded).

What it keeps is what was uploaded and started; no step runs behind it.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.connection_faults import Wire
from support.loopback_server import QuietHandler, serving
from support.paths import RECORDED

PROXY = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"  # its path at an API server
UI_PROXY = "/api/v1/namespaces/kubeflow/services/ml-pipeline-ui:80/proxy"
Object = dict[str, Any]


def recorded(name: str) -> Object:
    """A run as a real server showed it: `run`, `workflow` and `logs` by pod."""
    found: Object = json.loads((RECORDED / "runs" / f"{name}.json").read_text())
    return found


@dataclass
class FakePipelines:
    """What is there, what was asked and what it answers."""

    shows: list[Object]  # one after the other, each time that the run is asked for; the last one stays
    token: str = ""  # whom it lets in
    version: str = "2.18.1"
    multi_user: bool = False
    refuses: dict[str, tuple[int, str]] = field(default_factory=dict)  # by path: status and body
    pipelines: dict[str, list[str]] = field(default_factory=dict)  # names of versions by name
    files: list[str] = field(default_factory=list)  # that were uploaded
    experiments: list[Object] = field(default_factory=list)
    runs: list[Object] = field(default_factory=list)  # that were started
    terminated: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""
    artifacts: dict[str, str] = field(default_factory=dict)  # what the UI hands out, by s3:// address
    wire: Wire = field(default_factory=Wire)
    live: str = ""  # which place shows the logs of running pods: ui, cluster or none
    _seen: int = -1

    def answer(self, verb: str, path: str, query: Object, body: bytes, authorization: str) -> tuple[int, Any]:
        """One request."""
        path = path.removeprefix(PROXY).removeprefix(UI_PROXY)
        self.paths.append(path)
        if self.token and authorization != f"Bearer {self.token}":
            return 401, {"code": 16, "message": "Unauthenticated: the token has expired"}
        if path in self.refuses:
            return self.refuses[path]
        if path == "/artifacts/get":
            return self._artifact(query)
        for pattern, method in self._routes():
            if match := re.fullmatch(pattern, f"{verb} {path}"):
                return 200, method(*match.groups(), query=query, body=body)
        return 404, {"code": 5, "message": f"Not Found {path}"}

    def _routes(self) -> list[tuple[str, Any]]:
        return [
            ("GET /apis/v2beta1/healthz", self._health),
            ("GET /apis/v2beta1/experiments", self._experiments),
            ("POST /apis/v2beta1/experiments", self._new_experiment),
            ("GET /apis/v2beta1/pipelines", self._pipelines),
            ("POST /apis/v2beta1/pipelines/upload", self._new_pipeline),
            ("GET /apis/v2beta1/pipelines/([^/]+)/versions", self._versions),
            ("POST /apis/v2beta1/pipelines/upload_version", self._new_version),
            ("POST /apis/v2beta1/runs", self._new_run),
            ("GET /apis/v2beta1/runs", self._list_runs),
            ("GET /apis/v2beta1/runs/([^/]+)", self._run),
            ("GET /apis/v1beta1/runs/([^/]+)", self._workflow),
            ("GET /k8s/pod/logs", self._log_of_ui),
            ("GET /api/v1/namespaces/kubeflow/pods/([^/]+)/log", self._log_of_cluster),
            ("GET /apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", self._log),
            ("POST /apis/v2beta1/runs/([^/]+):terminate", self._terminate),
        ]

    def _health(self, **_: Any) -> Object:
        return {"tag_name": self.version, "multi_user": self.multi_user}

    def _experiments(self, **_: Any) -> Object:
        return {"experiments": self.experiments, "total_size": len(self.experiments)} if self.experiments else {}

    def _new_experiment(self, body: bytes, **_: Any) -> Object:
        self.experiments.append({**json.loads(body), "experiment_id": "e1"})
        return self.experiments[-1]

    def _pipelines(self, **_: Any) -> Object:
        return {"pipelines": [{"pipeline_id": name, "display_name": name} for name in self.pipelines]}

    def _new_pipeline(self, query: Object, body: bytes, **_: Any) -> Object:
        name = query["name"][0]
        self.pipelines[name] = [name]  # a real server makes a first version of the pipeline's own name
        self.files.append(body.decode())
        return {"pipeline_id": name, "display_name": name}

    def _versions(self, pipeline: str, **_: Any) -> Object:
        names = self.pipelines[pipeline]
        return {"pipeline_versions": [{"pipeline_version_id": name, "display_name": name} for name in names]}

    def _new_version(self, query: Object, body: bytes, **_: Any) -> Object:
        name, pipeline = query["name"][0], query["pipelineid"][0]
        self.pipelines[pipeline].append(name)
        self.files.append(body.decode())
        return {"pipeline_id": pipeline, "pipeline_version_id": name, "display_name": name}

    def _new_run(self, body: bytes, **_: Any) -> Object:
        self.runs.append(json.loads(body))
        return {**self.runs[-1], "run_id": f"r{len(self.runs)}"}

    def _list_runs(self, query: Object, **_: Any) -> Object:
        assert query.pop("sort_by") == ["created_at desc"]
        if "experiment_id" in query:  # those that were started here, newest first
            started = [{**run, "run_id": f"r{at}"} for at, run in enumerate(self.runs, 1)]
            return {"runs": started[::-1]}
        assert query == {"page_size": ["1"]}
        return {"runs": [each["run"] for each in self.shows[:1]], "total_size": 1} if self.shows else {}

    def _run(self, run_id: str, **_: Any) -> Object:
        self._seen = min(self._seen + 1, len(self.shows) - 1)
        return {**self._now["run"], "run_id": run_id}

    def _workflow(self, run_id: str, **_: Any) -> Object:
        return {"pipeline_runtime": {"workflow_manifest": json.dumps(self._now["workflow"])}}

    def _log(self, run_id: str, pod: str, **_: Any) -> str:
        absent = '{"error_message":"BadRequestError: Failed to read logs for run","error_details":""}'
        return str(absent if self._running else self._now["logs"].get(pod, absent))  # of those that ended; 200 as well

    def _log_of_ui(self, query: Object, **_: Any) -> str:
        (pod,) = query["podname"]
        return str(self._now["logs"][pod] if self.live == "ui" and self._running else "<!doctype html>")

    def _artifact(self, query: Object) -> tuple[int, str]:
        uri = f"{query['source'][0]}://{query['bucket'][0]}/{query['key'][0]}"
        return (200, self.artifacts[uri]) if uri in self.artifacts else (404, f"No objects found at {uri}")

    def _log_of_cluster(self, pod: str, **_: Any) -> str:
        return str(self._now["logs"][pod] if self.live == "cluster" else '{"error_message": "none"}')

    @property
    def _running(self) -> bool:
        return bool(self._now["run"]["state"] == "RUNNING")

    def _terminate(self, run_id: str, **_: Any) -> Object:
        self.terminated.append(run_id)
        return {}

    @property
    def _now(self) -> Object:
        return self.shows[max(self._seen, 0)]


@contextmanager
def fake_pipelines(*shows: Object) -> Iterator[FakePipelines]:
    """Run one on a free port of loopback."""
    fake = FakePipelines(list(shows))

    class Handler(QuietHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            authorization = self.headers.get("authorization") or ""

            def act() -> tuple[int, bytes, str]:
                code, value = fake.answer(self.command, parts.path, parse_qs(parts.query), body, authorization)
                kind = "text/html" if isinstance(value, str) else "application/json"
                return code, (value if isinstance(value, str) else json.dumps(value)).encode(), kind

            fake.wire.serve(self, act)

        do_GET = do_POST = _serve  # noqa: N815 - http.server's names

    with serving(Handler) as fake.url:
        yield fake
