"""Access rules for names and origins, as pure functions of settings and headers."""

import pytest

from forebay.errors import ConfigError
from forebay.serving.http.access import AccessPolicy, is_loopback
from forebay.serving.rejection import RequestRejectedError
from forebay.settings import ServeConfig
from forebay.settings.serve import serve_config, serve_from_environment, serve_variables

OURS = [
    "localhost",
    "localhost:8090",
    "LOCALHOST:1",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:80",
    "127.1.2.3",
    "[::1]:8090",
]
FOREIGN = [
    "evil.example",
    "localhost.evil.example:8090",
    "127.0.0.1.nip.io",
    "192.0.2.7",
    "[2001:db8::1]:80",
    "",
    ":80",
]


def _refusal(access: AccessPolicy, **headers: str) -> str:
    """Status and message with which a request with these headers is rejected; empty where it is accepted."""
    try:
        access.check({name.encode(): value.encode("latin-1") for name, value in headers.items()})
    except RequestRejectedError as error:
        return f"{error.status} {error}"
    return ""


def _access(origins: str = "", hosts: str = "", *, loopback: bool = True) -> AccessPolicy:
    return AccessPolicy(ServeConfig(cors_origins=origins, hosts=hosts), loopback=loopback)


@pytest.mark.parametrize("host", OURS)
def test_loopback_answers_to_its_own_names_with_any_port(host: str) -> None:
    assert _refusal(_access(), host=host) == ""


@pytest.mark.parametrize("host", [*FOREIGN, "\xe9"])
def test_loopback_refuses_another_name_and_says_which_setting_adds_it(host: str) -> None:
    refusal = _refusal(_access(), host=host)
    assert refusal.startswith("403 ")
    assert "serve.hosts" in refusal


@pytest.mark.parametrize("host", ["box.example", "BOX.example:443", "10.0.0.7:80", "[2001:db8::1]:80"])
def test_names_that_are_yours_are_answered(host: str) -> None:
    assert _refusal(_access(hosts="box.example, 10.0.0.7,[2001:db8::1]"), host=host) == ""
    assert _refusal(_access(hosts="*"), host=host) == ""


@pytest.mark.parametrize("host", [*OURS, *FOREIGN])
def test_a_server_that_listens_elsewhere_looks_at_no_name_and_no_origin_unless_names_are_given(host: str) -> None:
    assert _refusal(_access(loopback=False), host=host, origin="http://evil.example") == ""


@pytest.mark.parametrize("host", ["box.example", "localhost:8080", "10.1.2.3:8080", "[fd00::7]:8080"])
def test_with_names_given_it_still_answers_probes_by_address(host: str) -> None:
    assert _refusal(_access(hosts="box.example", loopback=False), host=host) == ""
    assert "serve.hosts" in _refusal(_access(hosts="box.example", loopback=False), host="evil.example")


def test_a_request_without_a_name_is_no_browsers() -> None:
    assert _refusal(_access()) == ""


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8090", "https://127.0.0.1:8090", "HTTP://127.0.0.1:8090"])
def test_a_page_of_the_server_itself_may_ask(origin: str) -> None:
    assert _refusal(_access(), host="127.0.0.1:8090", origin=origin) == ""


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:3000", "http://localhost:8090", "null", ""]
)
def test_a_page_of_another_origin_may_not_unless_it_is_listed(origin: str) -> None:
    assert "serve.cors_origins" in _refusal(_access(), host="127.0.0.1:8090", origin=origin)
    listed = _access("https://app.example/, http://localhost:3000")
    assert "serve.cors_origins" in _refusal(listed, host="127.0.0.1:8090", origin=origin)
    assert _refusal(_access("*"), host="127.0.0.1:8090", origin=origin) == ""


@pytest.mark.parametrize(
    ("origins", "origin"),
    [
        ("https://APP.example/", "https://app.example"),
        ("http://a:1 ,http://b:2", "http://b:2"),
        ("null", "null"),
        ("https://app.example:443", "https://app.example"),
        ("http://localhost:80/", "http://localhost"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_a_listed_origin_may_ask_and_read(origins: str, origin: str) -> None:
    access = _access(origins)
    assert _refusal(access, host="localhost", origin=origin) == ""
    headers = dict(access.cors_headers(origin.encode()))
    assert headers[b"access-control-allow-origin"] == origin.encode()
    assert headers[b"vary"] == b"origin"
    assert b"access-control-allow-origin" not in dict(access.cors_headers(b"http://other.example"))
    assert dict(access.cors_headers(None)) == {b"vary": b"origin"}
    assert dict(_access("*").cors_headers(origin.encode()))[b"access-control-allow-origin"] == b"*"
    assert _access().cors_headers(origin.encode()) == []


@pytest.mark.parametrize("origin", ["http://app.example", "http://app.example:443", "https://app.example:80"])
def test_only_the_port_that_a_scheme_has_anyway_may_be_left_out(origin: str) -> None:
    assert "serve.cors_origins" in _refusal(_access("https://app.example:443"), host="localhost", origin=origin)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("cors_origins", "app.example", "origins like https://app.example"),
        ("cors_origins", "https://app.example/page", "origins like https://app.example"),
        ("cors_origins", "*, https://app.example", r"or \* alone"),
        ("cors_origins", "https://*.example", "origins like"),
        ("hosts", "https://box.example", "names without scheme and port"),
        ("hosts", "box.example:8090", "names without scheme and port"),
        ("hosts", "a b", "names without scheme and port"),
    ],
)
def test_a_setting_that_is_none_names_its_rule(field: str, value: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=rf"serve\.{field} must be .*{rule}.*got '"):
        ServeConfig(**{field: value})


def test_settings_travel_through_the_environment() -> None:
    variables = serve_variables({"cors_origins": "https://app.example", "hosts": ""})
    assert variables == {"FOREBAY_SERVE_CORS_ORIGINS": "https://app.example"}
    assert serve_config(serve_from_environment(variables | {"PORT": "1"})) == ServeConfig(
        cors_origins="https://app.example"
    )
    assert serve_config({"hosts": "a"}, {"hosts": "b", "of_a_later_version": "1"}) == ServeConfig(hosts="b")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("fe80::1%eth0", False),
    ],
)
def test_loopback_is_known_by_its_address(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected
