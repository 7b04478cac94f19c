"""Every setting of the server, read once from `HEALIX_*` environment variables or a `.env` file.

Each field below is one variable: `dimse_port` is `HEALIX_DIMSE_PORT`. All are documented in the README; a test
holds the two together. Command-line options override them. What is a secret can stand in a file: the variable
`HEALIX_BLOB_SECRET_KEY_FILE` names one that holds `HEALIX_BLOB_SECRET_KEY`, and so for every setting that is a text.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values

from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.language.spoken import LANGUAGES

PREFIX = "HEALIX_"
FILE = "_FILE"
OTHERS = ("HEALIX_SETTING_SOURCES", "HEALIX_TEST_", "HEALIX_BENCH_", "HEALIX_FAULT_")
"""What a server hands on to its children (see setting_sources.py), and what tests have in their environment."""
DUPLICATES = ("refuse", "keep", "replace")
CONDITIONAL_DELETES = ("single", "multiple")
UNKNOWN_CALLERS = ("refuse", "store", "all")
SECOND_FACTORS = ("none", "staff", "all")
BULK_LINKS = ("token", "signed")
PORTS = range(1, 65_536)
QUIET = re.compile(r"([01]\d:[0-5]\d|2[0-3]:[0-5]\d)-([01]\d:[0-5]\d|2[0-3]:[0-5]\d)")
OFFICER = re.compile(r"Practitioner/[A-Za-z0-9\-.]{1,64}")
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 64
LONGEST_CALENDAR = 400
MAY_BE_NONE = frozenset({"blob_local_days"})
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings with their defaults."""

    data_dir: Path = Path("data")
    """Where the embedded database, the images and the mail outbox live."""
    database_url: str = ""
    """PostgreSQL 15+ to use; empty: the embedded one in the data directory."""
    database_replica_url: str = ""
    """Hot standby of that, or several, on which searches are made that it has all changes for; empty: none."""
    blob_url: str = ""
    """Where images are kept, e.g. `s3://bucket/prefix`; empty: the data directory."""
    blob_endpoint: str = ""
    """Address of an S3 service that is not Amazon's, e.g. `https://minio.example.org:9000`."""
    blob_region: str = ""
    """Region of the S3 bucket; empty: `AWS_REGION`, else us-east-1."""
    blob_access_key: str = ""
    """Access key of the S3 bucket; empty: what the `AWS_*` variables or the machine's role give."""
    blob_secret_key: str = dataclasses.field(default="", repr=False)
    """The secret of `HEALIX_BLOB_ACCESS_KEY`."""
    blob_local_days: int = 0
    """Days for which images stay in the data directory before they move to `HEALIX_BLOB_URL`; 0: none."""
    bulk_url: str = ""
    """Where bulk exports are kept, e.g. `s3://bucket/exports`, apart from images; empty: the data directory."""
    bulk_hours: int = 24
    """Hours for which the files of a bulk export can be downloaded."""
    bulk_links: str = "token"
    """How they are: with an access `token`, or by `signed` links that need none."""
    bulk_allow_private: bool = False
    """Whether bulk imports may fetch from addresses of private networks, and without TLS: `true` or `false`."""
    check_mb_per_second: int = 20
    """How fast stored images are read again to see whether they are whole, in MB a second."""
    backup_key_file: str = ""
    """File with 32 random bytes or more that backups are encrypted with; empty: they are not."""
    host: str = "127.0.0.1"
    """Address that HTTP and DIMSE listen on."""
    port: int = 8080
    """HTTP port."""
    tls_certificate: str = ""
    """File (PEM) with the certificate for HTTPS on that port, and those up to its authority; empty: plain HTTP."""
    tls_key: str = ""
    """File (PEM) with the key of that certificate, without a password; empty: it is in the same file."""
    dimse_port: int = 11112
    """DIMSE port."""
    dimse_tls_port: int = 2762
    """DIMSE port over TLS; open where `HEALIX_DIMSE_TLS_CERTIFICATE` is set."""
    dimse_tls_certificate: str = ""
    """File (PEM) with the certificate that the server shows to DIMSE peers, and those between it and its authority."""
    dimse_tls_key: str = ""
    """File (PEM) with the key of that certificate, without a password; empty: it is in the same file."""
    dimse_tls_ca: str = ""
    """File (PEM) with the authorities, or the certificates themselves, of the peers that are trusted over TLS."""
    dimse_tls_mutual: bool = True
    """Whether who calls over TLS must show a certificate that is trusted: `true` or `false`."""
    base_url: str = ""
    """The server's root as callers see it, e.g. `https://fhir.example.org`; empty: made from host and port."""
    workers: int = 2
    """Web worker processes."""
    dimse_unknown_callers: str = "refuse"
    """What AE titles that are no known peer may do: `refuse`, `store` or `all`."""
    dimse_storage_classes: str = ""
    """Further storage SOP classes that DIMSE peers may send, e.g. private ones: UIDs, separated by commas."""
    dimse_max_associations: int = 64
    """DIMSE associations served at once; further ones are refused as busy."""
    validate_profiles: str = ""
    """What resources must meet to be stored, separated by commas: `base`, `declared`, `Type=profile`; see below."""
    conditional_delete: str = "single"
    """What a conditional delete does when several resources match: `single` refuses it, `multiple` deletes them all."""
    search_seconds: int = 10
    """Time after which a search that is still running is stopped and answered 503."""
    statement_seconds: int = 60
    """The same for every statement that a web or DIMSE process gives to the database."""
    max_body_mb: int = 64
    """Largest FHIR request body, in MB."""
    max_store_gb: int = 16
    """Largest STOW-RS request and largest single DICOM object, in GB."""
    deleted_studies_kept: int = 30
    """Days for which deleted images are kept and can be restored."""
    duplicates: str = "refuse"
    """An image whose SOPInstanceUID is stored with other content: `refuse` it, `keep` the stored, or `replace` that."""
    compare_sop_classes: bool = False
    """Whether images that lack what their SOP class requires are stored with a warning (B007H): `true` or `false`."""
    time_zone: str = ""
    """Time zone of the clinic, e.g. `Europe/Vienna`: worklist, readings, opening hours; empty: as in orders, UTC."""
    reminder_hours: int = 24
    """Hours before an appointment at which people are reminded of it."""
    sms_url: str = dataclasses.field(default="", repr=False)
    """Where text messages are handed over, as `POST {"to": ..., "text": ...}`; empty: none are sent."""
    sms_allow_private: bool = False
    """Whether that may be an address of a private network, and without TLS: `true` or `false`."""
    calendar_days: int = 60
    """Days for which slots are made ahead from opening hours."""
    alert_quiet: str = ""
    """Hours in which nobody is told of alerts that can wait, as `22:00-07:00`; empty: none. The clock is that
    of `HEALIX_TIME_ZONE`, for a patient that of theirs."""
    workitem_days: int = 90
    """Days for which workitems are kept after they have ended; longer those that a subscriber locks; 0: for ever."""
    dicom_attributes: str = ""
    """Further DICOM attributes that searches match, separated by semicolons, e.g. `PatientComments; ProtocolName`."""
    subscription_allow_private: bool = False
    """Whether Subscriptions may notify addresses of private networks, and without TLS: `true` or `false`."""
    subscription_hours: int = 168
    """Hours for which the events of Subscriptions are kept to be asked for again (`$events`)."""
    cds_url: str = ""
    """Where the decision support services of others are listed (CDS Hooks), e.g. `https://cds.example.org/cds-services`."""
    cds_seconds: int = 5
    """Seconds within which each of them answers."""
    cds_allow_private: bool = False
    """Whether they may be in private networks, and without TLS: `true` or `false`."""
    cds_clients: str = ""
    """Who may ask this server's own such services: `ISSUER KEY-SET-URL`, several separated by commas."""
    require_second_factor: str = "none"
    """Who cannot sign in with a password alone: `none`, `staff` (practitioners and administrators) or `all`."""
    open_registration: bool = False
    """Whether apps may register themselves without an invitation (`healix client invite`): `true` or `false`."""
    register_without_mail: bool = False
    """Whether number and date of birth open an account where the record has no mail address: `true` or `false`."""
    client_keys_allow_private: bool = False
    """Whether key sets of apps may be fetched from private networks, and without TLS: `true` or `false`."""
    password_length: int = SHORTEST_PASSWORD
    """Least length of a new password; 8 or more. NIST SP 800-63B-4 asks for 15 where there is no second factor."""
    smtp_url: str = dataclasses.field(default="", repr=False)
    """Mail server, `smtp://[USER:PASSWORD@]HOST[:PORT]` (STARTTLS) or `smtps://…`; empty: files in `outbox/`."""
    mail_from: str = ""
    """Sender of mails, e.g. `Clinic <no-reply@example.org>`; empty: no-reply at the server's host."""
    trusted_proxies: str = ""
    """Proxies whose `X-Forwarded-For` is believed: addresses and networks, separated by commas."""
    rate_limits: str = ""
    """Other limits than those in docs/reference/limits.md: `NAME=QUOTA/SECONDS`, separated by commas."""
    break_glass_hours: int = 4
    """Hours for which a clinician opens a record in an emergency."""
    break_glass_lifts: bool = True
    """Whether emergency access also shows what Consents and security labels hide: `true` or `false`."""
    privacy_officer: str = ""
    """The `Practitioner/ID` who is told of each emergency access beside the patient; empty: the patient alone."""
    brand: str = ""
    """Identifier (`system|value`) of the stored Organization that apps show to people as this server's; empty: none."""
    cors_origins: str = ""
    """Origins whose scripts may use the APIs from browsers beside those of registered apps; `*`: all."""
    tenant: str = ""
    """A name of this organization that is told to apps with their tokens (`tenant`); empty: none."""
    language: str = "en"
    """Language of pages where neither person nor browser wants another: `en`, `de`, `es`, `fr` or `hi`."""
    slow_statement_ms: int = 1000
    """Milliseconds after which a statement of the database is told of in the log, with its plan."""
    otlp_endpoint: str = ""
    """Collector of OpenTelemetry traces (OTLP over HTTP), e.g. `http://collector:4318`; empty: none."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`."""

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone of the modalities' clocks, where it is told."""
        return ZoneInfo(self.time_zone) if self.time_zone else None

    @property
    def clock(self) -> ZoneInfo:
        """The time zone of opening hours that say none, and of the times that people are told."""
        return self.zone or ZoneInfo("UTC")

    @property
    def scheme(self) -> str:
        """What the HTTP port speaks: `http` or `https`."""
        return "https" if self.tls_certificate else "http"

    @property
    def root(self) -> str:
        """The server's root URL without a slash at the end."""
        return self.base_url.rstrip("/") or f"{self.scheme}://{self.host}:{self.port}"

    @property
    def proxies(self) -> tuple[str, ...]:
        """The trusted proxies."""
        return tuple(filter(None, (one.strip() for one in self.trusted_proxies.split(","))))

    @property
    def trusted_cds_clients(self) -> dict[str, str]:
        """By issuer, where the keys of a CDS client are."""
        pairs = (one.split() for one in self.cds_clients.split(",") if one.strip())
        return {pair[0]: pair[1] for pair in pairs}

    @property
    def fhir_base(self) -> str:
        """The FHIR base URL without a slash at the end."""
        return f"{self.root}/fhir"


def load(overrides: Mapping[str, Any] | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from `.env`, environment and `overrides` (later ones win; None is no override).

    Raises Invalid with one line that names the variable and what is wrong with it.
    """
    if environ is None:
        environ = {name: value for name, value in dotenv_values(".env").items() if value is not None} | dict(os.environ)
    _check_names(environ)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        name = PREFIX + field.name.upper()
        text = environ.get(name) or _from_file(name, environ.get(name + FILE))
        if text:
            values[field.name] = _convert(name, text, type(field.default))
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    values["data_dir"] = Path(values.get("data_dir", "data")).expanduser().absolute()
    settings = Settings(**values)
    if settings.log_level not in LOG_LEVELS:
        raise invalid(f"{PREFIX}LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")
    if settings.require_second_factor not in SECOND_FACTORS:
        raise invalid(f"{PREFIX}REQUIRE_SECOND_FACTOR must be one of {', '.join(SECOND_FACTORS)}")
    if settings.dimse_unknown_callers not in UNKNOWN_CALLERS:
        raise invalid(f"{PREFIX}DIMSE_UNKNOWN_CALLERS must be one of {', '.join(UNKNOWN_CALLERS)}")
    if settings.duplicates not in DUPLICATES:
        raise invalid(f"{PREFIX}DUPLICATES must be one of {', '.join(DUPLICATES)}")
    if settings.conditional_delete not in CONDITIONAL_DELETES:
        raise invalid(f"{PREFIX}CONDITIONAL_DELETE must be one of {', '.join(CONDITIONAL_DELETES)}")
    if settings.privacy_officer and not OFFICER.fullmatch(settings.privacy_officer):
        raise invalid(f"{PREFIX}PRIVACY_OFFICER must be Practitioner/ID, not '{settings.privacy_officer[:80]}'")
    if not SHORTEST_PASSWORD <= settings.password_length <= LONGEST_PASSWORD:
        raise invalid(f"{PREFIX}PASSWORD_LENGTH must be from {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}")
    if settings.calendar_days > LONGEST_CALENDAR:
        raise invalid(f"{PREFIX}CALENDAR_DAYS must be at most {LONGEST_CALENDAR}")
    _check_quiet(settings)
    _check_numbers(settings)
    _check_stores(settings)
    _check_cds(settings)
    _check_proxies(settings)
    _check_place(settings)
    return settings


def _check_names(environ: Mapping[str, str]) -> None:
    """Refuse variables that are no settings: one that is misspelt would be a setting that silently does nothing."""
    known = {PREFIX + field.name.upper() for field in dataclasses.fields(Settings)}
    known |= {PREFIX + name.upper() + FILE for name in texts()}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith(OTHERS):
            near = get_close_matches(name, known, n=1, cutoff=0.75)
            raise invalid(f"{name[:64]} is no setting" + (f"; {near[0]} is meant?" if near else ""))


def texts() -> frozenset[str]:
    """The settings that a file may hold: those that are texts."""
    return frozenset(field.name for field in dataclasses.fields(Settings) if type(field.default) is str)


def _from_file(name: str, path: str | None) -> str:
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"{name}{FILE} names a file that cannot be read: {path[:200]}") from error


def _check_quiet(settings: Settings) -> None:
    quiet = QUIET.fullmatch(settings.alert_quiet)
    if settings.alert_quiet and (quiet is None or quiet[1] == quiet[2]):
        raise invalid(
            f"{PREFIX}ALERT_QUIET must be two times of day, as 22:00-07:00, not '{settings.alert_quiet[:64]}'"
        )


def _check_stores(settings: Settings) -> None:
    if settings.database_replica_url and not settings.database_url:
        raise invalid(f"{PREFIX}DATABASE_REPLICA_URL needs {PREFIX}DATABASE_URL, the database that it follows")
    if settings.bulk_links not in BULK_LINKS:
        raise invalid(f"{PREFIX}BULK_LINKS must be one of {', '.join(BULK_LINKS)}")
    inner, outer = (f"{url.rstrip('/')}/" for url in (settings.bulk_url, settings.blob_url))
    if settings.blob_url and inner.startswith(outer):
        raise invalid(f"{PREFIX}BULK_URL must not lie within {PREFIX}BLOB_URL, which is for images alone")


def _check_cds(settings: Settings) -> None:
    if settings.cds_url and not settings.cds_url.startswith(("https://", "http://")):
        raise invalid(f"{PREFIX}CDS_URL must be the address of a list of services")
    for one in filter(str.strip, settings.cds_clients.split(",")):
        if len(one.split()) != 2:
            raise invalid(
                f"{PREFIX}CDS_CLIENTS holds '{one.strip()[:64]}', which is not an issuer and the URL of its keys"
            )


def _check_numbers(settings: Settings) -> None:
    for field in dataclasses.fields(Settings):
        value = getattr(settings, field.name)
        if field.name.endswith("port") and value not in PORTS:
            raise invalid(
                f"{PREFIX}{field.name.upper()} must be a port, {PORTS.start} to {PORTS.stop - 1}, not {value}"
            )
        if type(value) is int and value < 1 and field.name not in MAY_BE_NONE:
            raise invalid(f"{PREFIX}{field.name.upper()} must be at least 1, not {value}")


def _check_proxies(settings: Settings) -> None:
    for proxy in settings.proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            raise invalid(f"{PREFIX}TRUSTED_PROXIES holds '{proxy[:64]}', which is no address or network") from error


def _check_place(settings: Settings) -> None:
    if settings.language not in LANGUAGES:
        raise invalid(f"{PREFIX}LANGUAGE must be one of {', '.join(LANGUAGES)}")
    try:
        settings.zone  # noqa: B018
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise invalid(f"{PREFIX}TIME_ZONE holds '{settings.time_zone[:64]}', which is no known time zone") from error


def _convert(name: str, text: str, kind: type[Any]) -> Any:
    if kind is bool:
        if text not in ("true", "false"):
            raise invalid(f"{name} must be true or false, not '{text}'")
        return text == "true"
    if kind is int:
        if not text.isdecimal():
            raise invalid(f"{name} must be a whole number, not '{text}'")
        return int(text)
    return Path(text) if issubclass(kind, Path) else text
