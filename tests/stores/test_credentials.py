"""Where keys and endpoint come from, and that nothing tells them."""

import json
import sys

import pytest

from granpipe.errors import DatasetError
from granpipe.stores.credentials import connection, retries
from granpipe.stores.urls import open_store

from roles import KEYS as KEYS_OF_ROLE
from roles import TOKEN, amazon

KEYS = {"access_key_id": "id", "secret_access_key": "hidden"}


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Let nothing be set but what a test sets."""
    import os

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (tmp_path / "config").write_text(
        "[default]\nregion = eu-west-1\n[profile lab]\nendpoint_url = http://lab:9000\n"
    )
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = id\naws_secret_access_key = hidden\n"
        "[lab]\naws_access_key_id = lab\naws_secret_access_key = 100%hidden\n"
        "aws_session_token = token\n"
    )
    return tmp_path


def set_keys(monkeypatch, **more: str) -> None:
    values = {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "own"} | more
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_a_profile_gives_keys_and_region():
    assert connection() == {"region": "eu-west-1"} | KEYS


def test_a_named_profile_is_another(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert connection() == {
        "region": "us-east-1",
        "access_key_id": "lab",
        "secret_access_key": "100%hidden",
        "session_token": "token",
        "endpoint": "http://lab:9000",
    }


def test_keys_of_the_environment_come_first_and_are_not_mixed_with_a_profiles(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "lab")
    set_keys(
        monkeypatch, AWS_REGION="r", AWS_ENDPOINT_URL="http://e", AWS_ENDPOINT_URL_S3="http://s3"
    )
    assert connection() == {
        "access_key_id": "mine",
        "secret_access_key": "own",
        "region": "r",
        "endpoint": "http://s3",
    }


def test_a_line_break_at_the_end_of_a_key_is_none_of_it(monkeypatch):
    set_keys(monkeypatch, AWS_SECRET_ACCESS_KEY="own\n", AWS_SESSION_TOKEN=" t\r\n")
    assert connection()["secret_access_key"] == "own"
    assert connection()["session_token"] == "t"


@pytest.mark.parametrize("name", ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION"])
@pytest.mark.parametrize("value", ["hid\nden", "hid\x7fden", "hiddén"])
def test_a_key_that_can_be_none_is_one_line_that_does_not_tell_it(monkeypatch, name, value):
    set_keys(monkeypatch, **{f"AWS_{name}": value})
    with pytest.raises(DatasetError, match=f"^AWS_{name}: ") as error:
        connection()
    assert value not in str(error.value)


def test_a_key_without_its_secret_is_one_line(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    with pytest.raises(DatasetError, match="AWS_SECRET_ACCESS_KEY: is not set"):
        connection()


ENDPOINTS = [
    *("nonsense", "ftp://host", "http://", "http://a b", "http://a:99999", "http://a:b"),
    *(
        "http://:9",
        "http://%%%:9",
        "http://[::1",
        'http://a"b',
        "http://key:secret@host",
        "http://a:0",
    ),
]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_that_is_no_address_is_one_line(monkeypatch, endpoint):
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    set_keys(monkeypatch, AWS_ENDPOINT_URL=endpoint, AWS_MAX_ATTEMPTS="1")
    with pytest.raises(DatasetError, match="AWS_ENDPOINT_URL: is no address"):
        open_store("s3://lake").write("a", b"")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "https://[::1]:9/s3/", "HTTP://a_b.c"])
def test_other_endpoints_are_taken(monkeypatch, endpoint):
    set_keys(monkeypatch, AWS_ENDPOINT_URL=endpoint)
    assert connection()["endpoint"] == endpoint


def test_a_variable_that_obstore_does_not_understand_is_one_line(monkeypatch):
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    set_keys(monkeypatch, AWS_SKIP_SIGNATURE="perhaps")
    with pytest.raises(DatasetError, match="a variable AWS_... holds"):
        open_store("s3://lake").write("a", b"")


@pytest.mark.parametrize("text", ["", "[default", "\xff\xfe", "[default]\nregion\n", "x = 1\n"])
def test_a_damaged_file_of_profiles_is_as_none(environment, text):
    (environment / "config").write_bytes(text.encode("latin-1"))
    assert connection()["region"] == "us-east-1"


@pytest.mark.parametrize(("attempts", "count"), [("1", 0), ("4", 3), ("0", 0), ("x", 8), ("", 8)])
def test_attempts_are_one_more_than_retries(monkeypatch, attempts, count):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", attempts)
    assert retries() == count


# Keys of a role, for an hour


@pytest.fixture
def aws(monkeypatch, environment):
    """Return stand-ins for AWS's services; no file gives keys."""
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    pytest.importorskip("trustme")
    (environment / "credentials").unlink()
    with amazon(environment) as services:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"{services.url}/s3")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield services


def set_machine(aws, folder, monkeypatch):
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", aws.url)


def set_pod(aws, folder, monkeypatch):
    (folder / "token").write_text("p0d")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws.url}/pod")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(folder / "token"))


def set_web_identity(aws, folder, monkeypatch):
    (folder / "token").write_text("w3b")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/granpipe")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"{aws.secure_url}/sts")
    monkeypatch.setenv("SSL_CERT_FILE", aws.ca)


def set_process(aws, folder, monkeypatch):
    pytest.importorskip("boto3")
    keys = {"AccessKeyId": KEYS_OF_ROLE["AccessKeyId"], "SessionToken": TOKEN, "Version": 1}
    keys |= {name: KEYS_OF_ROLE[name] for name in ("SecretAccessKey", "Expiration")}
    (folder / "keys.json").write_text(json.dumps(keys))
    process = f"cat {folder / 'keys.json'}"
    (folder / "config").write_text(f"[profile sso]\ncredential_process = {process}\n")
    monkeypatch.setenv("AWS_PROFILE", "sso")


WAYS = [
    (set_machine, ["PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/"]),
    (set_pod, ["GET /pod"]),
    (set_web_identity, ["POST /sts"]),
    (set_process, []),
]


@pytest.mark.parametrize(("way", "asked"), WAYS)
def test_a_role_gives_its_keys(aws, environment, monkeypatch, way, asked):
    way(aws, environment, monkeypatch)
    assert open_store("s3://lake").read("a")[0] == b"bytes"
    assert open_store("s3://lake").read("b")[0] == b"bytes"
    assert aws.who == 2 * [(KEYS_OF_ROLE["AccessKeyId"], TOKEN)]
    assert aws.asked[: len(asked)] == asked
    assert len(aws.asked) <= 3  # not again for the second object


@pytest.mark.parametrize("way", [set_machine, set_pod, set_web_identity])
def test_a_role_that_gives_no_keys_is_one_line(aws, environment, monkeypatch, way):
    way(aws, environment, monkeypatch)
    aws.status = 403
    with pytest.raises(DatasetError, match="^s3://lake/a: ") as raised:
        open_store("s3://lake").read("a")
    assert "\n" not in str(raised.value) and "p0d" not in str(raised.value)
    assert "w3b" not in str(raised.value)
    assert aws.who == []


@pytest.mark.parametrize(
    "process", ["false", "echo nonsense", "/no/such/program", "echo '{\"Version\": 2}'"]
)
def test_a_process_that_gives_no_keys_is_one_line(aws, environment, monkeypatch, process):
    pytest.importorskip("boto3")
    (environment / "config").write_text(f"[default]\ncredential_process = {process}\n")
    with pytest.raises(DatasetError, match="^AWS_PROFILE: default gives no keys") as raised:
        open_store("s3://lake").read("a")
    assert "\n" not in str(raised.value)
    assert aws.who == []


def test_a_profile_without_keys_asks_for_boto3_where_that_is_not_installed(
    aws, environment, monkeypatch
):
    (environment / "config").write_text("[profile sso]\nsso_session = us\n")
    monkeypatch.setenv("AWS_PROFILE", "sso")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(DatasetError, match="pip install boto3"):
        open_store("s3://lake").read("a")
