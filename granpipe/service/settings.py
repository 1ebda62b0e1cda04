"""What the environment says of the online path."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from granpipe.engines.choice import ENGINES
from granpipe.errors import DatasetError

_PACKAGES = {"kafka": "confluent_kafka", "search": "elasticsearch"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the parts of the online path are.

    Attributes
    ----------
    source, output : str
        Photographs and dataset: folders or s3:// URLs. GRANPIPE_SOURCE and GRANPIPE_OUTPUT; unless
        given, `photographs` and `arrays` in the folder of the state.
    state : str
        Folder of the SQLite files. GRANPIPE_STATE.
    kafka : str
        Host and port of a Kafka broker; empty for a SQLite file. GRANPIPE_KAFKA.
    search : str
        Address of an Elasticsearch server; empty for a SQLite file. GRANPIPE_SEARCH.
    token : str
        What a request must carry; without one, none but this machine's are answered.
        GRANPIPE_TOKEN.
    engine : str
        Where the work is done, `local` or `spark`. GRANPIPE_ENGINE.
    logs_json : bool
        GRANPIPE_LOG=json.
    """

    source: str
    output: str
    state: str = "state"
    kafka: str = ""
    search: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    engine: str = "local"
    logs_json: bool = False


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
    state = variables.get("GRANPIPE_STATE") or "state"
    values = {name: variables.get(f"GRANPIPE_{name.upper()}", "") for name in (*_PACKAGES, "token")}
    for name, package in _PACKAGES.items():
        if values[name] and find_spec(package) is None:
            raise DatasetError(
                f"GRANPIPE_{name.upper()} needs an extra: pip install 'granpipe[service]'"
            )
    if values["search"] and not values["search"].startswith(("http://", "https://")):
        raise DatasetError("GRANPIPE_SEARCH: write https://host:port")
    engine = variables.get("GRANPIPE_ENGINE") or "local"
    if engine not in ENGINES:
        raise DatasetError(f"GRANPIPE_ENGINE: write {' or '.join(ENGINES)}")
    if variables.get("GRANPIPE_LOG", "") not in {"", "text", "json"}:
        raise DatasetError("GRANPIPE_LOG: write text or json")
    return Settings(
        variables.get("GRANPIPE_SOURCE") or Path(state, "photographs").as_posix(),
        variables.get("GRANPIPE_OUTPUT") or Path(state, "arrays").as_posix(),
        state,
        **values,
        engine=engine,
        logs_json=variables.get("GRANPIPE_LOG") == "json",
    )
