"""Browsers, monitors and generated clients against the real server: HEAD, OPTIONS, other origins and names, OpenAPI."""

import contextlib
import gzip
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.routing import Route

from forebay.cli.commands.serve import serve_command
from forebay.errors import ConfigError
from forebay.local.server import control, server_status
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish
from forebay.serving.app.openapi import GET_PATHS, POST_PATHS
from forebay.settings import ServeConfig
from forebay.settings.serve import serve_variables
from forebay.state import Home
from support.tiny_inference_server import Reply, RunningServer, read_response, write_desired_model

V1 = "/v1/models/grey:predict"
V2 = "/v2/models/grey/infer"
BODY = json.dumps({"instances": [[[1] * 8] * 8]}).encode()
PAGE = "http://localhost:3000"


def _named(path: str, model: str = "grey") -> str:
    return path.replace("{model_name}", model).replace("{model_version}", "7")


@pytest.mark.parametrize("path", GET_PATHS)
def test_head_has_the_status_and_headers_of_get_and_no_body(server: RunningServer, path: str) -> None:
    get, head = (server.request(method, _named(path)) for method in ("GET", "HEAD"))
    assert (get.status, head.status) == (200, 200)
    changing = {"date", *({"content-length"} if path == "/metrics" else ())}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in get.headers.items() if k not in changing
    }
    assert get.body
    assert not head.body


@pytest.mark.parametrize("path", ["/v2/models/nobody", "/v1/models/nobody", "/nothing", "/v2/models/grey/versions/8"])
def test_head_of_what_is_not_there_is_404_as_get_is(server: RunningServer, path: str) -> None:
    head = server.request("HEAD", path)
    assert (head.status, head.body) == (404, b"")


@pytest.mark.parametrize("path", [V1, V2, "/v2/repository/index"])
def test_head_of_what_takes_post_is_405_as_get_is(server: RunningServer, path: str) -> None:
    for method in ("GET", "HEAD"):
        reply = server.request(method, path)
        assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", GET_PATHS)
def test_what_is_only_read_takes_nothing_and_says_how_it_is_asked(server: RunningServer, path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        reply = server.request(method, _named(path), b"{}")
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
        assert "/v2/models/NAME/infer" in reply.json["error"]


def test_the_document_offers_what_answers_and_every_path_of_it_answers(server: RunningServer) -> None:
    document = server.request("GET", "/openapi.json").json
    assert document["openapi"].startswith("3.")
    bodies = {"/v2/repository/index": b"{}", "/v1/models/{model_name}:predict": BODY}
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, 8, 8, 1], "data": [1] * 64}
    asked = 0
    for path, operations in document["paths"].items():
        for method in operations:
            body = bodies.get(path, json.dumps({"inputs": [tensor]}).encode()) if method == "post" else None
            reply = server.request(method.upper(), _named(path), body)
            assert reply.status == 200, (method, path, reply.body)
            asked += 1
    assert asked == 2 * len(GET_PATHS) + len(POST_PATHS)


def test_nothing_answers_that_the_document_does_not_offer(server: RunningServer) -> None:
    paths = server.request("GET", "/openapi.json").json["paths"]
    for path, method in _sdk_routes():
        reply = server.request(method, _named(path), b"{}" if method == "POST" else None)
        assert (reply.status not in (403, 404, 405)) is (method.lower() in paths.get(path, {})), (method, path)
    for path in ("/docs", "/redoc", "/v1/models/grey:explain", "/v2/models/grey/config", "/v1/models/grey/versions/7"):
        assert server.request("GET", path).status == 404, path


def _sdk_routes() -> set[tuple[str, str]]:
    """Every path of the KServe SDK's server, with its methods."""
    from kserve import ModelRepository, model_server
    from kserve.protocol.dataplane import DataPlane
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension
    from kserve.protocol.rest.server import RESTServer

    models = ModelRepository()
    RESTServer("", DataPlane(models), ModelRepositoryExtension(models), 0).create_application()
    found: set[tuple[str, str]] = set()
    waiting: list[Any] = list(model_server.app.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, Route):
            found |= {(route.path, method) for method in route.methods or () if method in ("GET", "POST")}
        else:
            waiting += getattr(route, "routes", None) or getattr(route, "original_router", route).routes
    assert ("/v2/repository/models/{model_name}/unload", "POST") in found
    return found


def test_a_server_of_a_folder_as_a_cluster_has_shows_no_page_unless_that_is_set(server: RunningServer) -> None:
    browser = {"Accept": "text/html"}
    assert server.request("GET", "/", None, browser).json == {"status": "alive"}
    for path in ("/docs", "/page/models", "/page/assets/page.js"):
        assert server.request("GET", path, None, browser).status == 404
    assert not ServeConfig().shows_page(by_default=False)
    assert ServeConfig(page="true").shows_page(by_default=False)
    assert serve_variables(asdict(ServeConfig())) == {}
    assert serve_variables(asdict(ServeConfig(page="true"))) == {"FOREBAY_SERVE_PAGE": "true"}
    with pytest.raises(ConfigError, match=r"serve\.page must be one of auto, true, false, got 'yes'"):
        ServeConfig(page="yes")


def test_the_index_lists_models_with_version_and_state(server: RunningServer) -> None:
    expected = [{"name": name, "version": "7", "state": "READY", "reason": ""} for name in ("colour", "grey")]
    for body in (b"", b"{}", b'{"ready": true}'):
        assert server.post("/v2/repository/index", body).json == expected
    for body in (b"[]", b"{", b'"x"'):
        assert server.post("/v2/repository/index", body).status == 400
    assert server.post("/v2/repository/index", b" " * (1 << 17)).status == 413


def test_options_without_the_setting_says_which_one_it_is(server: RunningServer) -> None:
    for path in (V1, V2, "/v2/health/ready"):
        reply = server.request("OPTIONS", path)
        assert reply.status == 405
        assert "serve.cors_origins" in reply.json["error"]
        reply = server.request("OPTIONS", path, None, {"Origin": PAGE, "Access-Control-Request-Method": "POST"})
        assert reply.status == 403
        assert "serve.cors_origins" in reply.json["error"]
        assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    ("headers", "setting"),
    [
        ({"Host": "evil.example"}, "serve.hosts"),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, "serve.hosts"),
        ({"Origin": "http://evil.example"}, "serve.cors_origins"),
        ({"Origin": "null"}, "serve.cors_origins"),
    ],
)
def test_a_foreign_name_or_page_is_refused_on_loopback_whatever_it_asks(
    server: RunningServer, headers: dict[str, str], setting: str
) -> None:
    replies = [
        server.post(V1, BODY, headers),
        server.post(V1, BODY, headers | {"Content-Type": "text/plain"}),
        server.post("/v2/repository/index", b"", headers),
        server.request("GET", "/v2/models/grey", None, headers),
        server.request("GET", "/metrics", None, headers),
    ]
    for reply in replies:
        assert reply.status == 403
        assert setting in reply.json["error"]


@pytest.mark.parametrize("hosts", [("evil.example", "localhost"), ("localhost", "evil.example"), ("localhost",) * 2])
def test_a_request_with_two_hosts_is_refused(server: RunningServer, hosts: tuple[str, str]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as client:
        client.sendall("\r\n".join(["GET /v2 HTTP/1.1", *(f"Host: {host}" for host in hosts), "", ""]).encode())
        status, _, body = read_response(client)
    assert status == 400
    assert "expected one Host header" in json.loads(body)["error"]


def test_headers_that_come_twice_are_read_as_one_list(server: RunningServer) -> None:
    twice = gzip.compress(gzip.compress(BODY))
    assert _post_twice(server, twice, "Content-Encoding", "gzip", "gzip").status == 415
    assert _post_twice(server, gzip.compress(BODY), "Content-Encoding", "gzip", "identity").status == 200
    assert _post_twice(server, BODY, "Content-Type", "application/json", "image/png").status == 415
    own = f"http://127.0.0.1:{server.port}"
    assert _post_twice(server, BODY, "Origin", "http://evil.example", own).status == 403


def _post_twice(server: RunningServer, body: bytes, name: str, *values: str) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.putrequest("POST", V1)
    for value in values:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    with contextlib.closing(connection), connection.getresponse() as response:
        return Reply(response.status, dict(response.getheaders()), response.read())


def test_the_servers_own_pages_and_programs_are_answered(server: RunningServer) -> None:
    for headers in ({"Host": "localhost:8090", "Origin": "http://localhost:8090"}, {"Host": "[::1]"}, {}):
        assert server.post(V1, BODY, headers).status == 200


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A state folder whose server serves one model, and accepts one other origin and one other name."""
    folder = tmp_path_factory.mktemp("shared")
    home = Home(folder / "home").open()
    settings = {"cors_origins": PAGE, "hosts": "box.example"}
    control.ensure_server(home, ServerOptions("127.0.0.1", 0, settings=settings))
    publish(home, lambda _: {"grey": write_desired_model(folder / "grey", "7")}, 120)
    yield home
    control.stop_server(home)


def _ask(home: Home, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
    info = server_status.running_server(home)
    assert info is not None
    connection = http.client.HTTPConnection("127.0.0.1", info.port, timeout=120)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def test_a_listed_page_may_ask_and_read_answers_and_errors(shared: Home) -> None:
    reply = _ask(
        shared, "OPTIONS", V1, Origin=PAGE, Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="content-type, x-mine", Access_Control_Request_Private_Network="true",
    )  # fmt: skip
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["access-control-allow-headers"] == "content-type, x-mine"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert reply.headers["access-control-allow-private-network"] == "true"
    answers = [
        _ask(shared, "POST", V1, BODY, Origin=PAGE, Content_Type="application/json"),
        _ask(shared, "POST", V1, b"{", Origin=PAGE),
        _ask(shared, "GET", "/v2/models/grey", Origin=PAGE),
        _ask(shared, "GET", "/nothing", Origin=PAGE),
    ]
    assert [reply.status for reply in answers] == [200, 400, 200, 404]
    for reply in answers:
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert reply.headers["vary"] == "origin"
        assert reply.headers["access-control-expose-headers"] == "inference-header-content-length"
    assert _ask(shared, "POST", V1, BODY).status == 200  # a program, which has no origin


def test_another_page_may_not_and_an_added_name_is_answered(shared: Home) -> None:
    for method in ("OPTIONS", "POST"):
        reply = _ask(shared, method, V1, BODY, Origin="http://localhost:3001")
        assert reply.status == 403
        assert "access-control-allow-origin" not in reply.headers
    assert _ask(shared, "POST", V1, BODY, Host="box.example:443").status == 200
    assert _ask(shared, "POST", V1, BODY, Host="other.example").status == 403
    assert _ask(shared, "OPTIONS", V1).headers["allow"] == "GET, HEAD, POST"


def test_other_settings_are_followed_without_one_failed_request_and_kept(
    shared: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_HOME", str(shared.root))
    done, failed = threading.Event(), []

    def keep_asking() -> None:
        while not done.is_set():
            reply = _ask(shared, "POST", V1, BODY)
            failed.extend([reply] if reply.status != 200 else [])

    client = threading.Thread(target=keep_asking)
    client.start()
    before = server_status.running_server(shared)
    bundle = server_status.desired_models(shared)["grey"].bundle
    told = CliRunner().invoke(serve_command, [bundle, "--set", "serve.cors_origins=https://new.example"])
    assert told.exit_code == 0, told.output
    assert "serve.cors_origins = https://new.example" in told.output
    assert "serve.hosts = box.example" in told.output  # a setting that is not given is kept
    assert _ask(shared, "POST", V1, BODY, Origin="https://new.example").status == 200
    assert _ask(shared, "POST", V1, BODY, Origin=PAGE).status == 403
    done.set()
    client.join()
    assert failed == []
    assert server_status.running_server(shared) == before  # the same process
    control.ensure_server(shared, ServerOptions("127.0.0.1", 0, settings={"cors_origins": PAGE}))
    assert server_status.kept_settings(shared) == {"cors_origins": PAGE, "hosts": "box.example"}


@pytest.mark.parametrize("words", [["--set", "train.epochs=3"], ["--set", "serve.cors_origins=example"]])
def test_a_setting_that_is_not_the_servers_or_is_wrong_ends_with_2(home: Home, words: list[str]) -> None:
    result = CliRunner().invoke(serve_command, words)
    assert result.exit_code == 2
    assert "serve" in result.output
    assert not (Path(home.serving) / "settings.json").exists()
