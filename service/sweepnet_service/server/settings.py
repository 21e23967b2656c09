"""Settings of the server: flags > environment (SWEEPNET_) > TOML file > defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sweepnet_service.errors import InvalidInput
from sweepnet_service.limits import Limits

PREFIX = "SWEEPNET_"
MIB = 1024 * 1024


class Settings(BaseSettings):
    """Everything that can be set; each field is a flag, a variable and a key of the file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    config: Path | None = Field(
        None,
        description="TOML file with settings; its keys are the names "
        "of these flags with '_' for '-'.",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address to listen at. Anything but loopback lets other machines in, and needs "
        "--tls-cert or --allow-plain-text.",
    )
    port: int = Field(50051, ge=0, le=65535, description="Port to listen at; 0 takes a free one.")
    tls_cert: Path | None = Field(
        None, description="PEM file with the server's certificate chain: calls are encrypted."
    )
    tls_key: Path | None = Field(None, description="PEM file with that certificate's key.")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file with authorities; clients need a certificate of theirs.",
    )
    allow_plain_text: bool = Field(
        False, description="Listen at an address that others reach although nothing is encrypted."
    )
    tokens: Path | None = Field(
        None,
        description="TOML file with a table for each bearer token: token, max_calls, "
        "calls_per_minute. Without one, nobody may call; health and reflection stay open.",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port for Prometheus metrics at /metrics; none: no metrics.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address for metrics.")
    models: Path | None = Field(
        None,
        description="Folder with more model files (*.safetensors); "
        "finished trainings are put there.",
    )
    training_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Folders whose content may be trained on, separated by "
        f"'{os.pathsep}'; none: no training.",
    )
    with_worker: bool = Field(
        True,
        description="Carry out trainings in a worker process that the server starts when there "
        "are any; otherwise `sweepnet worker` does.",
    )
    records: str = Field(
        "",
        description="Database that remembers trainings and data sets, as a URL; a file in the "
        "folder of models by default.",
    )
    data_sets: Path | None = Field(
        None, description="Folder for data sets that clients send to train on; none: they cannot."
    )
    max_data_set_bytes: int = Field(
        16 * 1024 * MIB, ge=1, description="Most bytes of data sets kept, all together."
    )
    captures: Path | None = Field(
        None,
        description="Folder to keep detections near their threshold in, with a few seconds of the "
        "audio or the picture they come from, for `sweepnet review`; none: nothing is kept. Who "
        "may call the server may review them.",
    )
    capture_margin: float = Field(
        1.0,
        gt=0,
        le=20,
        description="How near to its threshold a score is that is kept, in log odds: at 1 and a "
        "threshold of 0.5 from 0.27 to 0.73.",
    )
    capture_days: float = Field(
        30.0, gt=0, description="Days after which a capture is deleted, answered or not."
    )
    max_capture_bytes: int = Field(
        256 * MIB,
        ge=1,
        description="Most bytes of captures kept; the oldest without an answer make room.",
    )
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=256,
        description="Threads for numeric work.",
    )
    max_message_bytes: int = Field(
        32 * MIB, ge=1024, lt=2048 * MIB, description="Largest message taken."
    )
    max_upload_bytes: int = Field(1024 * MIB, ge=1, description="Largest audio file taken.")
    max_spool_bytes: int = Field(
        4096 * MIB,
        ge=1,
        description="Most bytes of audio files kept at once, all clients together.",
    )
    spool_dir: Path | None = Field(
        None,
        description="Folder where audio files lie, nameless, while they are read; "
        "the system's temporary folder by default.",
    )
    max_spot_s: float = Field(
        600.0,
        gt=0,
        description="Longest audio of a Spot call, each channel under each detector counted "
        "by itself; streams may be longer.",
    )
    max_concurrent_calls: int = Field(2048, ge=1, description="Most calls served at once.")
    max_latency_ms: float = Field(
        60.0,
        gt=0,
        description="Once pieces of live streams wait so long for their scores, counted on the "
        "server, further live streams are refused.",
    )
    max_waiting: int = Field(
        256,
        ge=1,
        description="Pieces of work on files and pictures that may wait for a thread; beyond it "
        "further calls are refused.",
    )
    max_stream_s: float | None = Field(
        None, gt=0, description="A stream open for so long is ended; none: never."
    )
    hand_over_s: float = Field(
        3600.0,
        gt=0,
        description="Live streams keep the version that they began with; those still open so many "
        "seconds after another took its place have gone over to it by then, between two words.",
    )
    idle_timeout_s: float = Field(
        60.0, gt=0, description="A stream without a message for so long is ended."
    )
    grace_s: float = Field(
        10.0, ge=0, description="Time that running calls have to end when the server is stopped."
    )
    log_format: Literal["json", "text"] = Field("text", description="How log lines look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )

    @field_validator("training_roots", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """A path list as the environment has it."""
        if isinstance(value, str):
            return tuple(Path(part) for part in value.split(os.pathsep) if part)
        return value

    @property
    def limits(self) -> Limits:
        """The limits among the settings."""
        return Limits(
            self.max_message_bytes,
            self.max_upload_bytes,
            self.idle_timeout_s,
            self.max_concurrent_calls,
            self.max_spot_s,
            self.max_spool_bytes,
            self.max_stream_s,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the TOML file."""
        path = init_settings().get("config") or os.environ.get(f"{PREFIX}CONFIG")
        file = (TomlConfigSettingsSource(settings_cls, Path(path)),) if path else ()
        return (init_settings, env_settings, *file)


def load_settings(flags: Mapping[str, Any]) -> Settings:
    """Settings of flags that were given, environment and file; raises InvalidInput naming each."""
    path = flags.get("config") or os.environ.get(f"{PREFIX}CONFIG")
    if path and not Path(path).is_file():
        raise InvalidInput("config", f"no file named {path}")
    try:
        return Settings(**flags)
    except ValidationError as error:
        wrong = "; ".join(_told(dict(item)) for item in error.errors())
        raise InvalidInput("settings", wrong) from None
    except ValueError as error:
        raise InvalidInput("config", f"{path}: {error}") from error


def _told(error: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in error["loc"])
    known = f" (flag --{name.replace('_', '-')}, variable {PREFIX}{name.upper()})"
    if error["type"] == "extra_forbidden":
        return f"{name}: no such setting; see `sweepnet serve --help`"
    return f"{name}: got {error['input']!r}; expected {_expected(error)}{known}"


def _expected(error: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind in _LIMITS:
        return _LIMITS[kind].format(**error["ctx"])
    return _KINDS.get(kind.partition("_")[0]) or str(error["msg"])


# By pydantic's names of errors, or by their first words.
_LIMITS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "tuple": "paths",
}
