"""How to reach S3: from the AWS variables, or a profile in ~/.aws with static keys."""

import configparser
import os
from pathlib import Path

_KEYS = {
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
    "region": "region",
    "endpoint": "endpoint_url",
}
# With one of these, obstore finds credentials by itself.
_OTHER_SOURCES = (
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_RETRIES = 8


def connection() -> dict[str, str]:
    """Return what obstore's S3Store is to be told; it reads further AWS variables itself.

    Examples
    --------
    >>> os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9000"
    >>> connection()["endpoint"]
    'http://127.0.0.1:9000'
    >>> del os.environ["AWS_ENDPOINT_URL"]
    """
    profile = _profile()
    if _variable("AWS_ACCESS_KEY_ID") or any(map(_variable, _OTHER_SOURCES)):
        profile = {name: profile[name] for name in ("region", "endpoint") if name in profile}
    region = _variable("AWS_REGION") or _variable("AWS_DEFAULT_REGION")
    endpoint = _variable("AWS_ENDPOINT_URL_S3") or _variable("AWS_ENDPOINT_URL")
    variables = {"region": region, "endpoint": endpoint}
    return {"region": "us-east-1"} | profile | {k: v for k, v in variables.items() if v}


def retries() -> int:
    """Return how often a request is tried again, one less than AWS_MAX_ATTEMPTS."""
    attempts = _variable("AWS_MAX_ATTEMPTS")
    return max(0, int(attempts) - 1) if attempts.isdecimal() else _RETRIES


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _profile() -> dict[str, str]:
    """Return what the profile says, by obstore's names; nothing where there is none."""
    name = _variable("AWS_PROFILE") or "default"
    config = _variable("AWS_CONFIG_FILE") or "~/.aws/config"
    secrets = _variable("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    section = "default" if name == "default" else f"profile {name}"
    settings = _section(config, section) | _section(secrets, name)
    return {ours: settings[theirs] for ours, theirs in _KEYS.items() if settings.get(theirs)}


def _section(file: str, name: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(Path(file).expanduser(), encoding="utf-8")
        return dict(parser.items(name))
    except (configparser.Error, UnicodeDecodeError, OSError, RuntimeError):
        return {}
