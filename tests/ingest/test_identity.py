"""No keys: the pod's identity opens the source, the way EKS gives it, by a token file or by an address on loopback."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from forebay.local.checks.s3_store import s3_store as s3_check
from support.forebay_command import Forebay
from support.loopback_server import QuietHandler, serving
from support.s3_server import S3Store
from support.small_images import write_folder

TOKEN = "the-pods-token"
SESSION = "a-session-token"
Identity = Callable[[Path], dict[str, str]]


@pytest.fixture
def clouds(s3_server: S3Store) -> Iterator[dict[str, Identity]]:
    """Two ways to get the store's keys for a token: variables of a pod, by way."""
    key, secret = s3_server.environment["AWS_ACCESS_KEY_ID"], s3_server.environment["AWS_SECRET_ACCESS_KEY"]
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    class Cloud(QuietHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == TOKEN
            facts = {"AccessKeyId": key, "SecretAccessKey": secret, "Token": SESSION, "Expiration": ends}
            self.send(200 if known else 401, json.dumps(facts if known else {}).encode())

        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            known = asked["Action"] == ["AssumeRoleWithWebIdentity"] and asked["WebIdentityToken"] == [TOKEN]
            answer = (
                '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                f"<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{key}</AccessKeyId>"
                f"<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{SESSION}</SessionToken>"
                f"<Expiration>{ends}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
                "</AssumeRoleWithWebIdentityResponse>"
            )
            refusal = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>"
            self.send(200 if known else 400, (answer if known else refusal).encode(), "text/xml")

    with serving(Cloud) as url:
        yield {
            "web identity": lambda token: {
                "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
                "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/forebay-ingest",
                "AWS_ENDPOINT_URL_STS": url,
            },
            "pod identity": lambda token: {
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/v1/credentials",
            },
        }


@pytest.mark.parametrize("way", ["web identity", "pod identity"])
def test_a_source_is_read_by_the_pods_identity_and_by_nothing_else(
    clouds: dict[str, Identity], s3_server: S3Store, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "shapes", per_class=10)
    uri = s3_server.upload(tmp_path / "shapes", "identity", way.replace(" ", "-"))
    (tmp_path / "token").write_text(TOKEN)
    plain = {
        "AWS_ENDPOINT_URL_S3": s3_server.environment["AWS_ENDPOINT_URL"],
        "AWS_EC2_METADATA_DISABLED": "true",
        **{name: value for name, value in s3_server.environment.items() if "KEY" not in name and "URL" not in name},
    }
    variables = clouds[way](tmp_path / "token")
    read = Forebay(tmp_path, plain | variables).json("ingest", "--data", uri, "--out", tmp_path / "out")
    assert read["data"]["rows"] == 20
    for name, value in (plain | variables).items():
        monkeypatch.setenv(name, value)
    assert s3_check().ok, s3_check().detail
    (tmp_path / "token").write_text("somebody-elses")
    refused = Forebay(tmp_path, plain | variables)("ingest", "--data", uri, "--out", tmp_path / "out", expect=2)
    assert "cannot be listed" in refused.stderr
    assert "Traceback" not in refused.stderr
