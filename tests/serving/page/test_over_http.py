"""What the page is made of, and who gets it: over HTTP, from the real server."""

import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from forebay.local.server import control, server_status
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish
from forebay.registry import ACCURACY_TAG, list_versions
from forebay.serving.app.page import Page
from forebay.serving.rejection import RequestRejectedError
from forebay.serving.repository.model_manager import ModelManager
from support.page_server import COLOUR, PageServer
from support.paths import ROOT

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}  # as browsers write it
FILES = sorted((ROOT / "src/forebay/serving/page").iterdir())
ASSETS = [f"/page/assets/{file.name}" for file in FILES]
PAGES = ["/", "/docs"]
REPORT = "/page/models/digits/report"


class Markup(HTMLParser):
    """Everything in a page that could run or load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.inline += [f"{tag} {name}" for name in found if name.startswith("on") or name == "style"]
        self.inline += [tag] if tag == "style" or (tag == "script" and not found.get("src")) else []
        self.loads += [value for name, value in attrs if name in ("src", "href") and value]


def test_a_browser_gets_the_page_and_everybody_else_still_learns_that_the_server_lives(page_server: PageServer) -> None:
    page = page_server.ask("GET", "/", **HTML)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"<title>Forebay</title>" in page.body
    assert page.headers["vary"] == "accept"
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert page_server.ask("GET", "/", **accept).json == {"status": "alive"}


@pytest.mark.parametrize("path", [*PAGES, *ASSETS])
def test_a_file_has_its_type_a_strict_policy_and_a_tag_that_spares_its_body(page_server: PageServer, path: str) -> None:
    get, head = (page_server.ask(method, path, **HTML) for method in ("GET", "HEAD"))
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    kind = next((kinds[end] for end in kinds if path.endswith(end)), "text/html")
    assert get.status == head.status == 200
    assert get.headers["content-type"].partition(";")[0] == kind
    policy = get.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert get.headers["x-content-type-options"] == "nosniff"
    assert get.headers["cross-origin-resource-policy"] == "same-origin"
    changing = {"date"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in get.headers.items() if k not in changing
    }
    assert not head.body
    again = page_server.ask("GET", path, **HTML, If_None_Match=f'"other", {get.headers["etag"]}')
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == get.headers["etag"]
    wrong = page_server.ask("POST", path, b"{}", **HTML)
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD")


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    for file in FILES:
        text = file.read_text()
        if file.suffix == ".html":
            found = Markup(text)
            assert found.inline == []
            assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in found.loads)
        outside = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}  # the name of SVG's elements
        assert outside == set(), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|@import|url\(", text), (
            file.name
        )


@pytest.mark.parametrize(
    "path",
    ["/page/assets/", "/page/assets/none.js", "/page/assets/..%2fapp%2fpage.py", "/page/", "/page/assets/../docs"],
)
def test_nothing_but_its_files_is_given_out(page_server: PageServer, path: str) -> None:
    found = page_server.ask("GET", path)
    assert found.status == 404
    assert "The page is at /" in found.json["error"]


@pytest.mark.parametrize("path", [*PAGES, "/page/assets/page.js", "/page/models", REPORT])
@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}], ids=str
)
def test_a_foreign_name_or_page_gets_nothing_of_it(page_server: PageServer, path: str, headers: dict[str, str]) -> None:
    assert page_server.ask("GET", path, **HTML, **headers).status == 403
    own = {"Origin": page_server.url}
    assert page_server.ask("GET", path, **HTML, **own).status == 200


def test_pages_that_may_ask_the_models_may_not_read_the_servers_own(page_server: PageServer) -> None:
    listed = {"Origin": "http://localhost:3000"}
    _change(page_server, cors_origins="http://localhost:3000")
    try:
        assert page_server.ask("GET", "/v2/models/digits", **listed).status == 200
        for path in (*PAGES, "/page/models", REPORT):
            assert page_server.ask("GET", path, **HTML, **listed).status == 403
    finally:
        _change(page_server, cors_origins="")


def test_it_knows_accuracy_card_report_and_run_of_a_registered_version(page_server: PageServer) -> None:
    found = page_server.ask("GET", "/page/models")
    models = {model["name"]: model for model in found.json["models"]}
    [version] = list_versions(page_server.home, "digits")
    digits = models["digits"]
    assert digits["accuracy"] == float(version.tags[ACCURACY_TAG]) > 0.9
    assert digits["card"] == version.description
    assert digits["card"].startswith("- **Accuracy**: ")
    assert (digits["run_id"], digits["report"]) == (page_server.run_id, REPORT)
    assert digits["mlflow_version"] == "http://127.0.0.1:5000/#/models/digits/versions/1"
    assert (digits["version"], digits["classes"]) == ("1", list("0123456789"))
    assert digits["mean"] < 0.5  # strokes are light
    unknown = models[COLOUR]  # served from a folder, so no registry knows it
    assert (unknown["accuracy"], unknown["card"], unknown["report"]) == (None, "", None)
    assert found.json["missing"] == []


def test_the_report_is_given_out_as_it_lies_there_in_a_sandbox(page_server: PageServer) -> None:
    found = page_server.ask("GET", REPORT)
    assert found.body == (page_server.home.runs / page_server.run_id / "report.html").read_bytes()
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert found.headers["cache-control"] == "no-store"
    for name in (COLOUR, "nobody", "..", "../digits"):
        path = f"/page/models/{quote(name, safe='')}/report"
        assert page_server.ask("GET", path).status == 404


def test_on_another_address_than_loopback_nobody_gets_the_report(page_server: PageServer) -> None:
    models = ModelManager()
    models.set_desired({"digits": server_status.desired_models(page_server.home)["digits"]})
    while models.is_loading():
        models.wait_for_load(1.0)
        models.reconcile()
    own, other = (Page(models, home=page_server.home, loopback=loopback) for loopback in (True, False))
    assert own.respond("GET", REPORT, {}).status == 200
    with pytest.raises(RequestRejectedError, match="There is no report of 'digits' here"):
        other.respond("GET", REPORT, {})
    shown = json.loads(other.respond("GET", "/page/models", {}).body)["models"][0]
    assert (shown["report"], shown["accuracy"] > 0.9) == (None, True)


def test_facts_of_other_weights_under_the_same_number_are_not_shown(page_server: PageServer) -> None:
    [file] = (page_server.home.serving / "versions").iterdir()
    facts = json.loads(file.read_text())
    try:
        for broken in (
            json.dumps(facts | {"weights_sha256": "0" * 64}),
            "{",
            "[]",
            json.dumps(facts | {"accuracy": 1}),
        ):
            file.write_text(broken)
            shown = _model(page_server, "digits")
            assert (shown["accuracy"], shown["card"], shown["report"]) == (None, "", None)
        file.write_text(json.dumps(facts | {"run_id": "../../elsewhere", "accuracy": "7"}))
        shown = _model(page_server, "digits")
        assert (shown["report"], shown["accuracy"]) == (None, None)
    finally:
        file.write_text(json.dumps(facts))


def test_switched_off_nothing_of_it_is_there_and_predictions_go_on(page_server: PageServer) -> None:
    _change(page_server, page="false")
    try:
        assert page_server.ask("GET", "/", **HTML).json == {"status": "alive"}
        for path in ("/docs", *ASSETS, "/page/models", REPORT):
            assert page_server.ask("GET", path, **HTML).status == 404
        document = page_server.ask("GET", "/openapi.json").json
        assert not [path for path in document["paths"] if path.startswith(("/page", "/docs"))]
        assert "text/html" not in json.dumps(document)
        assert page_server.ask("GET", "/v2/models/digits/ready").status == 200
    finally:
        _change(page_server, page="auto")
    assert page_server.ask("GET", "/docs", **HTML).status == 200


def test_the_document_names_what_is_served_and_every_path_of_it_answers(page_server: PageServer) -> None:
    paths = page_server.ask("GET", "/openapi.json").json["paths"]
    for path, operations in paths.items():
        parameters = next(iter(operations.values())).get("parameters", ())
        values = {each["name"]: each["schema"]["enum"] for each in parameters}
        assert set(values.get("model_version", ["1", "5"])) == {"1", "5"}
        names = values.get("model_name", ["digits"])
        assert set(names) == (
            {"digits"} if "{model_name}" not in path or path.endswith("/report") else {"digits", COLOUR}
        )
        for method in {"get", "head"} & set(operations):
            for filled in (_filled(path, name, file) for name in names for file in values.get("file", [""])):
                assert page_server.ask(method.upper(), filled, **HTML).status == 200, filled
    assert {"/docs", "/page/models", REPORT.replace("digits", "{model_name}")} <= set(paths)


def test_every_example_of_the_document_is_answered(page_server: PageServer) -> None:
    answered = set()
    for path, operations in page_server.ask("GET", "/openapi.json").json["paths"].items():
        for name, example in _examples(operations.get("post", {})).items():
            body = json.dumps(example["value"]).encode()
            reply = page_server.ask("POST", _filled(path, name), body, Content_Type="application/json")
            assert reply.status == 200, (path, name, reply.body)
            answered.add((path, name))
    v1, v2 = "/v1/models/{model_name}:predict", "/v2/models/{model_name}/infer"
    assert {(v1, "digits"), (v1, COLOUR), (v2, "digits")} <= answered
    assert (v2, COLOUR) not in answered  # 14 400 numbers are no example


def test_a_model_that_is_no_longer_served_leaves_the_document(page_server: PageServer) -> None:
    before = server_status.desired_models(page_server.home)
    publish(page_server.home, lambda _: {"digits": before["digits"]}, 120)
    assert COLOUR not in page_server.ask("GET", "/openapi.json").body.decode()
    publish(page_server.home, lambda _: {}, 120)
    paths = page_server.ask("GET", "/openapi.json").json["paths"]
    assert not [path for path in paths if "{model_name}" in path]
    assert page_server.ask("GET", "/page/models").json["models"] == []
    publish(page_server.home, lambda _: before, 120)
    assert COLOUR in page_server.ask("GET", "/openapi.json").body.decode()


def _change(server: PageServer, **settings: str) -> None:
    """Change settings of the running server, which follows them; the next change of models waits for that."""
    control.ensure_server(server.home, ServerOptions("127.0.0.1", 0, settings=settings))
    publish(server.home, lambda present: present, 120)


def _model(server: PageServer, name: str) -> dict[str, Any]:
    return next(model for model in server.ask("GET", "/page/models").json["models"] if model["name"] == name)


def _examples(operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    found: dict[str, Any] = body.get("examples", {})
    return found


def _filled(path: str, name: str, file: str = "") -> str:
    version = "1" if name == "digits" else "5"
    return (
        path.replace("{model_name}", quote(name, safe="")).replace("{model_version}", version).replace("{file}", file)
    )
