"""How S3 is reached: by the AWS variables, or a profile in ~/.aws."""

import configparser
import os
import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from granpipe.errors import DatasetError

_KEYS = {
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
    "region": "region",
    "endpoint": "endpoint_url",
}
_SECRETS = ("access_key_id", "secret_access_key", "session_token")
# With one of these, obstore finds credentials by itself.
_OTHER_SOURCES = (
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
# What a profile names where it has no keys of its own; boto3 gets them.
_BY_BOTO3 = ("credential_process", "role_arn", "sso_session", "sso_start_url")
_BOTO3_TTL = timedelta(minutes=5)  # boto3 gets new keys ten minutes before the old ones end
_RETRIES = 8
_PATIENT_ATTEMPTS = 40
_ADDRESS = re.compile(r"https?://(\w[\w.-]*|\[[\da-f:.]+\])(:\d+)?(/[\w.~/-]*)?", re.ASCII | re.I)


def connection() -> dict[str, str]:
    """Return the settings of obstore's S3Store; it reads further AWS variables itself.

    Raises
    ------
    DatasetError
        The endpoint is no address, or a key holds what no key can: either would end obstore in a
        panic.

    Examples
    --------
    >>> os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9000"
    >>> connection()["endpoint"]
    'http://127.0.0.1:9000'
    >>> del os.environ["AWS_ENDPOINT_URL"]
    """
    profile = _profile()
    variables = {
        "region": _variable("AWS_REGION") or _variable("AWS_DEFAULT_REGION"),
        "endpoint": _variable("AWS_ENDPOINT_URL_S3") or _variable("AWS_ENDPOINT_URL"),
    }
    if _variable("AWS_ACCESS_KEY_ID"):
        # As obstore reads them a secret that was read from a file keeps that file's line break.
        variables |= {name: _variable(f"AWS_{name.upper()}") for name in _SECRETS}
    if _variable("AWS_ACCESS_KEY_ID") or any(map(_variable, _OTHER_SOURCES)):
        profile = {name: profile[name] for name in ("region", "endpoint") if name in profile}
    options = {"region": "us-east-1"} | profile | {k: v for k, v in variables.items() if v}
    _check(options)
    return options


def _check(options: dict[str, str]) -> None:
    for name, value in options.items():
        if not (value.isascii() and value.isprintable()):
            raise DatasetError(
                f"AWS_{name.upper()}: holds a character that it may not; set it anew"
            )
    if "access_key_id" in options and "secret_access_key" not in options:
        raise DatasetError("AWS_SECRET_ACCESS_KEY: is not set, though AWS_ACCESS_KEY_ID is")
    if "endpoint" in options and not is_address(options["endpoint"]):
        raise DatasetError(
            "AWS_ENDPOINT_URL: is no address; write https://host or http://host:port"
        )


def is_address(text: str) -> bool:
    """Return whether a text is the address of a server, such as http://host:port."""
    try:
        return bool(_ADDRESS.fullmatch(text)) and urlsplit(text).port != 0
    except ValueError:  # a port over 65535
        return False


def retries() -> int:
    """Return how often a request is tried again, one less than AWS_MAX_ATTEMPTS."""
    attempts = _variable("AWS_MAX_ATTEMPTS")
    return max(0, int(attempts) - 1) if attempts.isdecimal() else _RETRIES


def be_patient() -> None:
    """Let this process, and those that it starts, outlast half a minute without an answer.

    Of many machines at work for hours, one sees an outage; a person at a terminal wants to know.
    """
    os.environ.setdefault("AWS_MAX_ATTEMPTS", str(_PATIENT_ATTEMPTS))


def client(bucket: str) -> Any:
    """Return obstore's client of a bucket, as the AWS variables are now."""
    profile = _profile_of_boto3()
    return _connect(bucket, tuple(connection().items()), retries(), profile)


@cache
def _connect(
    bucket: str, connection: tuple[tuple[str, str], ...], retries: int, profile: str
) -> Any:
    """Return a client; made once in each process, since it must not cross a fork."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - the extra s3
    from obstore.store import S3Store  # noqa: PLC0415

    options: Any = dict(connection)
    if profile:
        options["credential_provider"] = _provider(profile)
    is_plain = str(options.get("endpoint", "")).startswith("http://")
    try:
        return S3Store(
            bucket,
            **options,
            client_options={
                "allow_http": is_plain,
                "connect_timeout": "5s",
                # A large photograph may take its time, as long as its bytes keep coming.
                "read_timeout": "60s",
                "timeout": "1h",
            },
            retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=60)},
        )
    except BaseError as error:
        raise DatasetError(
            f"s3://{bucket}: a variable AWS_... holds what obstore does not understand; see env"
        ) from error


def _profile_of_boto3() -> str:
    """Return the name of the profile in use, where boto3 has to get its keys; else nothing."""
    if _variable("AWS_ACCESS_KEY_ID") or any(map(_variable, _OTHER_SOURCES)):
        return ""
    name, settings = _named()
    return name if any(map(settings.get, _BY_BOTO3)) else ""


def _provider(profile: str) -> Any:
    try:
        from boto3 import Session  # noqa: PLC0415 - may not be installed
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415
    except ImportError as error:
        raise DatasetError(
            f"AWS_PROFILE: {profile} has no keys of its own; to get them: pip install boto3"
        ) from error
    try:
        provider = Boto3CredentialProvider(Session(profile_name=profile), ttl=_BOTO3_TTL)
        provider()
    except (BotoCoreError, OSError, ValueError) as error:
        raise DatasetError(
            f"AWS_PROFILE: {profile} gives no keys ({type(error).__name__}); "
            f"try: aws sts get-caller-identity --profile {profile}"
        ) from error
    return provider


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _profile() -> dict[str, str]:
    """Return what the profile says, by obstore's names; nothing where there is none."""
    settings = _named()[1]
    if any(map(settings.get, _BY_BOTO3)):
        settings = {name: settings[name] for name in ("region", "endpoint_url") if name in settings}
    return {ours: settings[theirs] for ours, theirs in _KEYS.items() if settings.get(theirs)}


def _named() -> tuple[str, dict[str, str]]:
    """Return the name of the profile in use, and what the files say of it."""
    name = _variable("AWS_PROFILE") or "default"
    config = _variable("AWS_CONFIG_FILE") or "~/.aws/config"
    secrets = _variable("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    section = "default" if name == "default" else f"profile {name}"
    return name, _section(config, section) | _section(secrets, name)


def _section(file: str, name: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(Path(file).expanduser(), encoding="utf-8")
        return dict(parser.items(name))
    except (configparser.Error, UnicodeDecodeError, OSError, RuntimeError):
        return {}
