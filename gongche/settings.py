"""Settings: one typed table. Each has a name, a default, a unit where it has one, and a sentence.

A value comes from the environment (`GONGCHE_` and the name in capitals), else from `gongche.toml` in the home folder,
else from the default. A name that is not in the table, or a value that does not fit, stops the start.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from gongche.errors import GongcheError

ENV_PREFIX = "GONGCHE_"
FILE_NAME = "gongche.toml"
# Read elsewhere, before or beside the settings.
_OTHER_ENV = {"GONGCHE_HOME", "GONGCHE_TRACKS"}

Port = Annotated[int, Field(ge=0, le=65535)]


def _months(least: int) -> AfterValidator:
    """Months that the rules of the field ask for at least, or 0 for ever."""

    def check(months: int) -> int:
        if 0 < months < least:
            raise ValueError(f"expected 0 or at least {least} months")
        return months

    return AfterValidator(check)


class Settings(BaseSettings):
    """Every setting of the service."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL 15 or newer to use, as postgresql://…; empty: the embedded server in the home folder.",
    )
    database_pool: int = Field(8, ge=2, le=200, description="Connections to the database held open at most.")
    archive_dir: Path | None = Field(
        None, description="Folder of the sealed archive; empty: archive/ in the home folder."
    )
    archive_url: SecretStr = Field(
        SecretStr(""),
        description="Object store or other filesystem of the sealed archive, as s3://bucket/prefix; empty: archive_dir.",
    )
    chunk_days: int = Field(
        1, ge=1, le=30, description="Days in a chunk of positions, where the database has TimescaleDB."
    )
    compress_after_days: int = Field(
        7, ge=1, le=3650, description="Days after which chunks are compressed, where TimescaleDB can."
    )
    keep_positions_months: Annotated[int, _months(6)] = Field(
        12,
        ge=0,
        le=1200,
        description="Months that sealed positions stay in the database too; at least 6, 0: for ever.",
    )
    keep_flags_months: Annotated[int, _months(36)] = Field(
        36, ge=0, le=1200, description="Months that flags of no case are kept; at least 36, 0: for ever."
    )
    keep_raw_frames: bool = Field(
        False, description="Keep what terminals sent byte by byte too, and seal it beside the positions."
    )

    web_host: str = Field("127.0.0.1", description="Address the pages are served on.")
    web_port: Port = Field(8000, description="Port the pages are served on.")
    web_secure_cookie: bool = Field(False, description="Send the session cookie over HTTPS only; set it behind TLS.")
    web_session_hours: int = Field(12, ge=1, le=720, description="Hours until a sign-in expires.")
    public_name: str = Field("公车 Gongche", min_length=1, max_length=60, description="Name in the head of every page.")

    districts_path: Path | None = Field(
        None,
        description="GeoJSON of the districts drawn as base map; empty: the eleven that come with the project.",
    )
    streets_path: Path | None = Field(None, description="GeoJSON of streets drawn on the base map; empty: none.")
    tile_url: str = Field("", description="Tile server, as https://host/{z}/{x}/{y}.png; empty: vector base map only.")
    tile_datum: Literal["wgs84", "gcj02"] = Field("wgs84", description="Datum of the tile server's ground.")
    tile_attribution: str = Field("", description="Credit line the tile server asks for.")

    listen_host: str = Field("127.0.0.1", description="Address the terminals' TCP receivers listen on.")
    jt808_port: Port = Field(8808, description="TCP port for JT/T 808; 0: no receiver.")
    nmea_port: Port = Field(8809, description="TCP port for NMEA 0183; 0: no receiver.")
    jt808_udp_port: Port = Field(0, description="UDP port for JT/T 808; 0: no receiver.")
    nmea_udp_port: Port = Field(0, description="UDP port for NMEA 0183; 0: no receiver.")
    nmea_terminals: dict[str, str] = Field(
        {},
        description="Terminal number by what it calls from or calls: an address, or a TCP port of its own to listen on.",
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file with the certificate chain of the TCP receivers, which then speak TLS only."
    )
    tls_key: Path | None = Field(None, description="PEM file with its private key; empty: in the certificate's file.")
    mqtt_url: SecretStr = Field(
        SecretStr(""), description="Broker to receive from, as mqtt[s]://user:password@host:port; empty: no receiver."
    )
    mqtt_client_id: str = Field(
        "gongche", min_length=1, max_length=64, description="Client id of the persistent session."
    )
    mqtt_topic: str = Field(
        "gongche/+/position",
        min_length=1,
        description="Topic to subscribe to; $share/<group>/… divides a cluster's load.",
    )
    mqtt_status_topic: str = Field(
        "gongche/+/status",
        description="Topic where terminals say online or offline, their last will as a rule; empty: not subscribed to.",
    )
    mqtt_ca_file: Path | None = Field(
        None, description="PEM file of the authority that signed the broker's certificate; empty: the system's."
    )
    unknown_terminals: Literal["refuse", "hold"] = Field(
        "refuse",
        description="A terminal that no vehicle is bound to: refused, or acknowledged and held until an administrator approves it.",
    )
    require_authentication: bool = Field(
        False, description="Take a JT/T 808 terminal's positions only after a right authentication on the connection."
    )
    idle_timeout_s: float = Field(
        300.0, gt=0, description="Seconds of silence after which a terminal's connection ends."
    )
    max_connections: int = Field(20_000, ge=1, description="Terminals connected to one receiver at most.")
    max_connections_per_address: int = Field(
        0, ge=0, description="Of these from one address at most; 0: no limit, as gateways bring many."
    )
    max_bytes_per_s_per_address: int = Field(
        0, ge=0, description="Bytes a second read from one address at most, the rest waits; 0: no limit."
    )
    request_gaps: bool = Field(
        False, description="Ask a JT/T 808 terminal at once for messages whose sequence numbers were skipped."
    )
    media_dir: Path | None = Field(
        None, description="Folder for pictures, sound and film of terminals; empty: only what they are is kept."
    )
    intake_queue: int = Field(
        100_000, ge=100, description="Positions that wait for the writer at most; then sockets wait."
    )
    intake_group: int = Field(
        25_000, ge=1, description="Positions committed together at most; what each vehicle costs is paid once a group."
    )
    intake_wait_s: float = Field(0.2, gt=0, le=5, description="Seconds the writer waits to fill a group.")

    border_tolerance_m: float = Field(
        50.0,
        ge=0,
        le=1000,
        description="Metres past the border of the permitted area that still count as inside, more where the fix is poor.",
    )
    audit_threads: int = Field(2, ge=1, le=64, description="Threads of an audit.")
    close_day_after_h: float = Field(
        2.0, ge=0, le=48, description="Hours after local midnight until a day is sealed and audited by the service."
    )
    audit_open_every_min: float = Field(
        5.0, ge=0.5, le=1440, description="Minutes between audits of the open day while the service runs."
    )
    look_every_s: float = Field(
        10.0, ge=1, le=3600, description="Seconds between looks for what came in of the open day; its trips follow."
    )

    reviews_per_inspector_day: int = Field(
        20, ge=1, le=1000, description="Reviews that an inspector does a day; the ranked queue is cut to them."
    )
    review_sample_share: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="Share of these reviews drawn at random, so that what is missed can be estimated.",
    )
    explain_within_days: int = Field(5, ge=1, le=60, description="Working days a unit has to explain a case.")
    decide_within_days: int = Field(10, ge=1, le=120, description="Working days an inspector has to decide a case.")
    rectify_within_days: int = Field(
        20, ge=1, le=250, description="Working days from a confirmed case to its rectification."
    )
    case_calendar: str = Field(
        "",
        description="Duty calendar whose working days deadlines count and review queues are made on; empty: "
        "the days announced for the country.",
    )
    case_files_dir: Path | None = Field(
        None, description="Folder for files attached to cases; empty: case-files/ in the home folder."
    )
    attachment_max_mb: int = Field(20, ge=1, le=1000, description="Megabytes of a file attached to a case at most.")
    order_entry_within_h: int = Field(
        24,
        ge=1,
        le=720,
        description="Hours after an emergency use within which its dispatch order may still be entered.",
    )
    purpose_hours: int = Field(
        8, ge=1, le=72, description="Hours for which a stated purpose opens the tracks of a vehicle to a person."
    )
    public_url: str = Field(
        "", description="Address of the pages as links in mails and messages name it, as https://host; empty: no links."
    )
    smtp_host: str = Field("", description="Mail server that takes notifications; empty: no mail is sent.")
    smtp_port: Port = Field(587, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection to the mail server is secured; none only on a host's own loopback."
    )
    smtp_user: str = Field("", description="Name to sign in to the mail server with; empty: without.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password for it.")
    smtp_from: str = Field("", description="Address that notifications come from; empty: gongche@ and the host's name.")
    webhook_url: str = Field("", description="Address that each notification is posted to as JSON; empty: none.")
    webhook_secret: SecretStr = Field(
        SecretStr(""), description="Key of the HMAC-SHA256 signature of what is posted; needed with webhook_url."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values, then the environment, then the home folder's file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(home: Path, **given: object) -> Settings:
    """Settings of a home folder; values in `given` come first. GongcheError names every wrong key and value."""
    path = home / FILE_NAME
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith(ENV_PREFIX)
        and name not in _OTHER_ENV
        and not name.startswith(ENV_PREFIX + "TEST_")
        and name.removeprefix(ENV_PREFIX).lower() not in Settings.model_fields
    )
    if unknown:
        raise GongcheError(f"setting {unknown[0]} (environment): no such setting")

    class FromHome(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return FromHome(**given)  # type: ignore[arg-type]  # values are checked by the model, that is its purpose
    except ValidationError as error:
        raise GongcheError("; ".join(_fault(fault, path) for fault in error.errors())) from None
    except (OSError, ValueError) as error:
        raise GongcheError(f"{path}: {error}") from None


def settings_table() -> list[tuple[str, str, str]]:
    """(name, default, sentence) of every setting, for help and docs."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        rows.append((name, "" if default is None else str(default), field.description or ""))
    return rows


def _fault(fault: object, path: Path) -> str:
    assert isinstance(fault, dict)
    key = ".".join(str(part) for part in fault["loc"])
    where = "environment" if f"{ENV_PREFIX}{key.upper()}" in os.environ else str(path)
    if fault["type"] == "extra_forbidden":
        return f"setting {key} ({where}): no such setting"
    field = Settings.model_fields.get(key)
    secret = field is not None and isinstance(field.default, SecretStr)
    shown = "a value that is not shown" if secret else repr(fault["input"])
    return f"setting {key} ({where}): got {shown}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"
