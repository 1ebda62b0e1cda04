"""What the environment says of the online path."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from granpipe.checks import no_such_variable
from granpipe.engines.choice import ENGINES
from granpipe.errors import DatasetError
from granpipe.service.kafka_settings import KAFKA, KafkaSettings, read_kafka_settings
from granpipe.stores.credentials import is_address
from granpipe.stores.urls import open_store

_PACKAGES = {"kafka": "confluent_kafka", "search": "elastic_transport"}
_CHOICES = {"engine": ENGINES, "log": ("text", "json"), "open": ("", "local")}
_OF_THE_COMMAND_LINE = ("GRANPIPE_PREPARE_", "GRANPIPE_AUGMENT_", "GRANPIPE_MAP_")
_TOKEN = re.compile("[A-Za-z0-9._~+/=-]*")  # RFC 6750, section 2.1
_INDEX = re.compile("[a-z0-9][a-z0-9._-]{0,200}")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the parts of the online path are; each field is the variable GRANPIPE_<FIELD>.

    Attributes
    ----------
    source, output : str
        Photographs and dataset: folders or s3:// URLs; by default `photographs` and `arrays` in
        the folder of the state.
    state : str
        Folder of the SQLite files.
    kafka : KafkaSettings or None
        How to reach a Kafka cluster; None for a SQLite file.
    search : str
        Addresses of the nodes of a search server, with commas between them; empty for a SQLite
        file.
    search_index : str
        Name of the index there.
    search_user, search_password, search_api_key : str
        What it asks for: user and password, or a key as it wrote it (in base64).
    search_ca : str
        File with the certificates, in PEM, that its own is signed by.
    token : str
        What a request must carry.
    open : str
        `local`: without a token, programs on this machine alone are answered.
    engine : str
        Where the work is done, `local` or `spark`.
    log : str
        `text` or `json`.
    metrics : str
        host:port, or a port of 127.0.0.1, where the worker answers Prometheus; empty for none.
    """

    source: str = ""
    output: str = ""
    state: str = "state"
    kafka: KafkaSettings | None = None
    search: str = ""
    search_index: str = "photographs"
    search_user: str = ""
    search_password: str = field(default="", repr=False)
    search_api_key: str = field(default="", repr=False)
    search_ca: str = ""
    token: str = field(default="", repr=False)
    open: str = ""
    engine: str = "local"
    log: str = "text"
    metrics: str = ""


def read_settings(variables: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of the environment.

    Raises
    ------
    DatasetError
        One of them cannot be used.

    Examples
    --------
    >>> read_settings({"GRANPIPE_STATE": "here"}).source
    'here/photographs'
    """
    names = {setting.name: f"GRANPIPE_{setting.name.upper()}" for setting in fields(Settings)}
    values: dict[str, Any] = {
        setting: variables[name] for setting, name in names.items() if variables.get(name)
    }
    values["kafka"] = read_kafka_settings(variables)
    state = values.get("state", "state")
    values.setdefault("source", Path(state, "photographs").as_posix())
    values.setdefault("output", Path(state, "arrays").as_posix())
    settings = Settings(**values)
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    for name, package in _PACKAGES.items():
        if getattr(settings, name) and find_spec(package) is None:
            raise DatasetError(
                f"GRANPIPE_{name.upper()} needs an extra: pip install 'granpipe[service]'"
            )
    for name, words in _CHOICES.items():
        if getattr(settings, name) not in words:
            raise DatasetError(f"GRANPIPE_{name.upper()}: write {' or '.join(filter(None, words))}")
    _check_search(settings)
    if not _TOKEN.fullmatch(settings.token):
        raise DatasetError(
            "GRANPIPE_TOKEN: has a blank, a line break or another character than A-Z a-z 0-9 "
            "and ._~+/=-"
        )
    if settings.token and settings.open:
        raise DatasetError("GRANPIPE_TOKEN and GRANPIPE_OPEN: set one of them")
    if open_store(settings.output).is_within(open_store(settings.source)):
        raise DatasetError("GRANPIPE_OUTPUT: is inside GRANPIPE_SOURCE; choose another folder")


def _check_search(settings: Settings) -> None:
    if settings.search and not all(map(is_address, settings.search.split(","))):
        raise DatasetError(
            "GRANPIPE_SEARCH: write https://host:port, with commas between several, and user and "
            "password into GRANPIPE_SEARCH_USER and GRANPIPE_SEARCH_PASSWORD"
        )
    if not _INDEX.fullmatch(settings.search_index):
        raise DatasetError("GRANPIPE_SEARCH_INDEX: write small letters, digits, . _ and -")
    if bool(settings.search_user) != bool(settings.search_password):
        raise DatasetError("GRANPIPE_SEARCH_USER and GRANPIPE_SEARCH_PASSWORD: set both or none")
    if settings.search_user and settings.search_api_key:
        raise DatasetError("GRANPIPE_SEARCH_USER and GRANPIPE_SEARCH_API_KEY: set one of them")
    for name in ("user", "password", "api_key"):
        text = getattr(settings, f"search_{name}")
        if not text.isprintable() or (name == "api_key" and not _TOKEN.fullmatch(text)):
            raise DatasetError(
                f"GRANPIPE_SEARCH_{name.upper()}: has a line break or another character that it "
                "cannot have"
            )


def unknown_names(variables: Mapping[str, str] = os.environ) -> list[str]:
    """Return a line for each variable of granpipe's that nothing reads, with the nearest name.

    >>> unknown_names({"GRANPIPE_KAFAK": "host:9092", "GRANPIPE_PREPARE_SIZE": "64"})
    ['GRANPIPE_KAFAK: no such variable; did you mean GRANPIPE_KAFKA?']
    """
    known = [f"GRANPIPE_{setting.name.upper()}" for setting in fields(Settings)]
    # librdkafka judges what is a setting of its own.
    read_elsewhere = (*_OF_THE_COMMAND_LINE, f"{KAFKA}_")
    ours = (name for name in sorted(variables) if name.startswith("GRANPIPE_"))
    unread = (name for name in ours if name not in known and not name.startswith(read_elsewhere))
    return [no_such_variable(name, known) for name in unread]


def check_who_is_answered(settings: Settings) -> None:
    """Raise DatasetError where nobody has said who may send photographs and see positions."""
    if not settings.token and not settings.open:
        raise DatasetError(
            "set GRANPIPE_TOKEN to what requests must carry, or GRANPIPE_OPEN=local to answer "
            "programs on this machine alone"
        )
