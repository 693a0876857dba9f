"""What an operator can set, read once from `COALITION_*` variables and frozen."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from kit import hosts

PREFIX = "COALITION_"
MOST_PROCESSES_UNASKED = 4
_OF_NO_PLACE = frozenset(("Factory", "localtime", "posixrules"))
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """A setting is unknown or has a value that can't be used; the message names it and what was expected."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting of one process. Units stand in the names; the README's table lists each with its meaning."""

    database_url: str | None = field(default=None, repr=False)
    database_tenant_url: str | None = field(default=None, repr=False)
    database_owner_url: str | None = field(default=None, repr=False)
    redis_url: str | None = field(default=None, repr=False)
    data_dir: Path = Path("var")
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    metrics_address: str = "127.0.0.1:8001"
    public_url: str | None = None
    web_processes: int = field(default_factory=lambda: min(os.cpu_count() or 1, MOST_PROCESSES_UNASKED))
    web_threads: int = 8
    time_zone: str | None = None  # of books that are open: theirs
    currency: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    sandbox: str = "beside"
    sandbox_database_url: str | None = field(default=None, repr=False)
    access_token_lifetime_s: int = 3600
    rate_limit_reads_per_s: int = 5000
    rate_limit_writes_per_s: int = 5000
    rate_limit_lookups_per_s: int = 200
    rate_limit_oauth_per_s: int = 50
    request_retention_days: int = 7
    webhook_timeout_s: int = 15
    webhook_allow_http: bool = False
    webhook_partner_rate_per_s: int = 500
    webhook_pumps: int = 1
    webhook_retention_days: int = 30
    webhook_allowed_networks: tuple[Network, ...] = ()
    webhook_proxy: str | None = field(default=None, repr=False)
    trusted_proxies: tuple[Network, ...] = ()
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str = "coalition@localhost"
    log_format: str = "text"

    @property
    def issuer(self) -> str:
        """Our own address as everybody outside sees it, without a slash at its end."""
        host = f"[{self.http_host}]" if ":" in self.http_host else self.http_host
        return (self.public_url or f"http://{host}:{self.http_port}").rstrip("/")

    @property
    def metrics_place(self) -> tuple[str, int] | None:
        """Host and port where metrics are told; None: nowhere."""
        if self.metrics_address == "none":
            return None
        host, _, port = self.metrics_address.rpartition(":")
        return host.removeprefix("[").removesuffix("]"), int(port)

    @property
    def is_sandbox(self) -> bool:
        """Whether this coalition is a sandbox itself, with nobody's real points."""
        return self.sandbox == "only"

    @property
    def embedded_database(self) -> bool:
        """Whether PostgreSQL is the one we start ourselves."""
        return self.database_url is None

    @property
    def embedded_redis(self) -> bool:
        """Whether Redis is the one we start ourselves."""
        return self.redis_url is None


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(" or ".join(f"{scheme}://…" for scheme in schemes))
        return text

    return parse


def _proxy(text: str) -> str:
    """An HTTP proxy, by its host and port, with a user and password where it wants them."""
    wanted = ValueError("http://host:port or http://user:password@host:port")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise wanted from None
    is_whole = parts.scheme == "http" and port and hosts.of_url(parts) and parts.path in ("", "/")
    if not is_whole or parts.query or parts.fragment or not re.fullmatch("[!-~]+", text):
        raise wanted
    return text


def _base_url(text: str) -> str:
    """An address that others go below: with a host, without query, fragment (RFC 8414 §2) or user."""
    wanted = ValueError("https://host, with a port or path if need be, and no user, query or fragment")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 -- reading it checks it
    except ValueError:
        raise wanted from None
    if not re.fullmatch(r"https?://[^@?#\\%]+", text) or not re.fullmatch("[!-~]+", text) or not hosts.of_url(parts):
        raise wanted
    return text


def _choice(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError("one of " + ", ".join(names))
        return text

    return parse


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _zone(text: str) -> str:
    # Files that lie beside the zones, and what a machine calls its own, name no place's time.
    if text not in available_timezones() - _OF_NO_PLACE:
        raise ValueError("a time zone of the IANA list, such as Europe/London")
    return text


def _currency(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise ValueError("an ISO 4217 code, such as GBP")
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:-]{1,253}", text):
        raise ValueError("a host name or IP address")
    return text


def _address(text: str) -> str:
    if text != "none":
        host, _, port = text.rpartition(":")
        try:
            _host(host.removeprefix("[").removesuffix("]"))
            _integer(1, 65535)(port)
        except ValueError:
            raise ValueError("host:port, such as 127.0.0.1:8001, or none") from None
    return text


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(","))
    except ValueError:
        raise ValueError("networks separated by commas, such as 127.0.0.0/8") from None


def secret(text: str) -> str:
    """The secret key as it is written; raises ValueError with what was expected."""
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("64 hexadecimal digits (32 random bytes)")
    return text


def _mail_address(text: str) -> str:
    if not re.fullmatch(r"[^@\s<>]{1,64}@[^@\s<>]{1,189}", text):
        raise ValueError("an e-mail address")
    return text


_PARSERS: dict[str, Callable[[str], Any]] = {
    "database_url": _url("postgresql", "postgres"),
    "database_tenant_url": _url("postgresql", "postgres"),
    "database_owner_url": _url("postgresql", "postgres"),
    "redis_url": _url("redis", "rediss", "unix"),
    "data_dir": lambda text: Path(text).expanduser(),
    "http_host": _host,
    "http_port": _integer(1, 65535),
    "metrics_address": _address,
    "public_url": _base_url,
    "web_processes": _integer(1, 64),
    "web_threads": _integer(1, 256),
    "time_zone": _zone,
    "currency": _currency,
    "secret_key": secret,
    "sandbox": _choice("beside", "none", "only"),
    "sandbox_database_url": _url("postgresql", "postgres"),
    "access_token_lifetime_s": _integer(60, 86_400),
    "rate_limit_reads_per_s": _integer(1, 100_000),
    "rate_limit_writes_per_s": _integer(1, 100_000),
    "rate_limit_lookups_per_s": _integer(1, 100_000),
    "rate_limit_oauth_per_s": _integer(1, 10_000),
    "request_retention_days": _integer(1, 90),
    "webhook_timeout_s": _integer(1, 60),
    "webhook_allow_http": _boolean,
    "webhook_partner_rate_per_s": _integer(1, 100_000),
    "webhook_pumps": _integer(1, 16),
    "webhook_retention_days": _integer(4, 3_650),
    "webhook_allowed_networks": _networks,
    "webhook_proxy": _proxy,
    "trusted_proxies": _networks,
    "smtp_url": _url("smtp", "smtps"),
    "mail_from": _mail_address,
    "log_format": _choice("text", "json"),
}
SECRET_NAMES = (
    "database_url",
    "database_tenant_url",
    "database_owner_url",
    "redis_url",
    "secret_key",
    "sandbox_database_url",
    "webhook_proxy",
    "smtp_url",
)


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Read the settings from `environ`.

    A secret may stand in a file, which its variable with `_FILE` behind it names. Raises SettingsError for an unknown
    `COALITION_*` name, a file that can't be read or a value out of bounds; an empty value is an error too, since it is
    more often a mistake in a unit file than a wish for the default.
    """
    known = {PREFIX + f.name.upper(): f.name for f in fields(Settings)}
    given = _read_files(environ)
    values: dict[str, Any] = {}
    for variable in sorted(name for name in given if name.startswith(PREFIX)):
        if variable not in known:
            raise SettingsError(f"{variable} is not a setting; the README lists all settings")
        name = known[variable]
        try:
            values[name] = _PARSERS[name](given[variable])
        except ValueError as error:
            shown = "its value" if name in SECRET_NAMES else repr(given[variable])
            raise SettingsError(f"{variable}: expected {error}, got {shown}") from None
    for name, needed in (("database_tenant_url", "database_url"), ("database_owner_url", "database_tenant_url")):
        if name in values and needed not in values:
            raise SettingsError(f"{PREFIX}{name.upper()}: expected {PREFIX}{needed.upper()} beside it, which isn't set")
    return Settings(**values)


def _read_files(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with each secret that `COALITION_…_FILE` names a file of: what systemd and containers hand over."""
    given = dict(environ)
    for name in SECRET_NAMES:
        variable = PREFIX + name.upper()
        path = given.pop(f"{variable}_FILE", None)
        if path is None:
            continue
        if variable in given:
            raise SettingsError(f"{variable}_FILE: {variable} is set as well; set one of them")
        try:
            given[variable] = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise SettingsError(f"{variable}_FILE: can't read {path}: {why}") from None
    return given


def without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environ` that are no settings: what a program of ours inherits that is told its own."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


def to_environment(settings: Settings) -> dict[str, str]:
    """The variables that make a child process read the same settings."""
    variables = {}
    for f in fields(settings):
        value = getattr(settings, f.name)
        if value is None or value == ():
            continue
        if isinstance(value, tuple):
            value = ",".join(str(item) for item in value)
        if isinstance(value, bool):
            value = str(value).lower()
        variables[PREFIX + f.name.upper()] = str(value)
    return variables
