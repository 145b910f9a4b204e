"""What the operator says by the environment."""

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .faults import Unsafe
from .regular_file import read_regular

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LEAST_METRICS_TOKEN = 16


@dataclass(frozen=True)
class Settings:
    # Failed attempts that an address has at once; in all there are ten times as many.
    max_attempts: int
    session_seconds: int
    # Whose X-Forwarded-For is believed.
    trusted_proxies: tuple[Network, ...]
    # Whether a password is taken as a bearer, and a bearer as `?token=`.
    bearer_password: bool
    query_token: bool
    keep_sessions: bool
    # How long the old bearer holds beside the new one.
    grace_seconds: float
    metrics_token: str | None
    guests: bool
    # All clients come from one address, the entrypoint's.
    relay: bool


def read_settings(env: Mapping[str, str]) -> Settings:
    """Reads the environment; empty is unset. Raises `Unsafe`, which names the variable."""
    return Settings(
        max_attempts=round(_number(env, "MAX_LOGIN_ATTEMPTS", 3, 1, 1000, whole=True)),
        session_seconds=max(1, round(_number(env, "SESSION_EXPIRE_HOURS", 24, 0, 8760) * 3600)),
        trusted_proxies=_networks(env, "TRUSTED_PROXIES"),
        bearer_password=_flag(env, "BEARER_PASSWORD", True),
        query_token=_flag(env, "QUERY_TOKEN", True),
        keep_sessions=_flag(env, "KEEP_SESSIONS", False),
        grace_seconds=_span(env, "RELOAD_GRACE"),
        metrics_token=_metrics_token(env),
        guests=_flag(env, "GUEST_MODE_ENABLED", False),
        relay=env.get("EXPOSE_MODE") == "relay",
    )


def _text(env: Mapping[str, str], name: str) -> str:
    return env.get(name, "").strip()


def _flag(env: Mapping[str, str], name: str, otherwise: bool) -> bool:
    word = _text(env, name).lower()
    if word == "":
        return otherwise
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise Unsafe(f"{name} is neither true nor false", f"set {name} to true or false")


def _number(
    env: Mapping[str, str], name: str, otherwise: float, least: float, most: float, *, whole: bool = False
) -> float:
    word = _text(env, name)
    if word == "":
        return otherwise
    pattern = r"\d{1,9}" if whole else r"\d{1,9}(?:\.\d{1,9})?"
    value = float(word) if re.fullmatch(pattern, word, re.ASCII) else math.nan
    if least <= value <= most and value > 0:
        return value
    bounds = f"from {least:g} to {most:g}" if whole else f"above {least:g}, at most {most:g}"
    raise Unsafe(f"{name} is no number {bounds}", f"correct {name}, or leave it out ({otherwise:g})")


def _span(env: Mapping[str, str], name: str) -> float:
    word = _text(env, name)
    if word == "":
        return 0.0
    found = _SPAN.fullmatch(word)
    seconds = float(found[1]) * _SECONDS[found[2] or "s"] if found else math.inf
    if seconds <= 3600:
        return seconds
    raise Unsafe(f"{name} is no time of at most an hour", f"write {name} like 10s or 2m")


def _networks(env: Mapping[str, str], name: str) -> tuple[Network, ...]:
    try:
        words = re.split(r"[,\s]+", _text(env, name))
        return tuple(_network(word) for word in words if word)
    except ValueError:
        remedy = f"write {name} like 172.18.0.0/16, 10.0.0.5"
        raise Unsafe(f"{name} holds what is neither an address nor a network", remedy) from None


def _network(word: str) -> Network:
    """An IPv4 network in its IPv6 form is that IPv4 network, as addresses are compared. Raises `ValueError`."""
    network = ipaddress.ip_network(word, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.ip_network((mapped, network.prefixlen - 96))


def _metrics_token(env: Mapping[str, str]) -> str | None:
    token, path = _text(env, "METRICS_TOKEN"), _text(env, "METRICS_TOKEN_FILE")
    if token and path:
        raise Unsafe("METRICS_TOKEN and METRICS_TOKEN_FILE are both set", "leave one of them out")
    if path:
        try:
            token = read_regular(path, 4096).decode("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            remedy = "name a file with the token in it that ComfyUI's user may read"
            raise Unsafe(f"METRICS_TOKEN_FILE cannot be read ({type(error).__name__})", remedy) from None
        if not token:
            raise Unsafe("METRICS_TOKEN_FILE names an empty file", "put the token into it, or leave it out")
    if not token:
        return None
    if len(token) < _LEAST_METRICS_TOKEN or re.search(r"[^\x21-\x7e]", token):
        remedy = f"take {_LEAST_METRICS_TOKEN} or more printable ASCII characters without a blank"
        raise Unsafe("METRICS_TOKEN is too short, or cannot stand in a header", remedy)
    return token
