"""Every variable: what is good, what is bad, at the bounds, and empty."""

import ipaddress
import os

import pytest
from guard.faults import Unsafe
from guard.settings import read_settings

DEFAULTS = {
    "max_attempts": 3,
    "session_seconds": 24 * 3600,
    "trusted_proxies": (),
    "bearer_password": True,
    "query_token": True,
    "keep_sessions": False,
    "grace_seconds": 0.0,
    "metrics_token": None,
    "guests": False,
    "relay": False,
}
FLAGS = {
    "BEARER_PASSWORD": "bearer_password",
    "QUERY_TOKEN": "query_token",
    "KEEP_SESSIONS": "keep_sessions",
    "GUEST_MODE_ENABLED": "guests",
}
NAMES = ["MAX_LOGIN_ATTEMPTS", "SESSION_EXPIRE_HOURS", "TRUSTED_PROXIES", "RELOAD_GRACE", "METRICS_TOKEN", *FLAGS]
NETWORKS = [ipaddress.ip_network(word) for word in ("10.0.0.5/32", "172.18.0.0/16", "fd00::/8")]


def test_with_nothing_said():
    assert vars(read_settings({})) == DEFAULTS


@pytest.mark.parametrize("name", [*NAMES, "METRICS_TOKEN_FILE", "EXPOSE_MODE"])
@pytest.mark.parametrize("nothing", ["", " ", "\t\n"])
def test_empty_is_unset(name, nothing):
    assert vars(read_settings({name: nothing})) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "word", "field", "value"),
    [
        ("MAX_LOGIN_ATTEMPTS", "1", "max_attempts", 1),
        ("MAX_LOGIN_ATTEMPTS", " 7 ", "max_attempts", 7),
        ("MAX_LOGIN_ATTEMPTS", "1000", "max_attempts", 1000),
        ("SESSION_EXPIRE_HOURS", "8760", "session_seconds", 8760 * 3600),
        ("SESSION_EXPIRE_HOURS", "0.5", "session_seconds", 1800),
        ("SESSION_EXPIRE_HOURS", "0.0000001", "session_seconds", 1),
        ("RELOAD_GRACE", "0", "grace_seconds", 0.0),
        ("RELOAD_GRACE", "30", "grace_seconds", 30.0),
        ("RELOAD_GRACE", "10s", "grace_seconds", 10.0),
        ("RELOAD_GRACE", "2m", "grace_seconds", 120.0),
        ("RELOAD_GRACE", "1h", "grace_seconds", 3600.0),
        ("RELOAD_GRACE", "1.5s", "grace_seconds", 1.5),
        ("TRUSTED_PROXIES", "10.0.0.5", "trusted_proxies", tuple(NETWORKS[:1])),
        ("TRUSTED_PROXIES", "10.0.0.5,172.18.0.0/16 fd00::/8", "trusted_proxies", tuple(NETWORKS)),
        ("TRUSTED_PROXIES", ", 10.0.0.5 ,,\n172.18.3.4/16\t", "trusted_proxies", tuple(NETWORKS[:2])),
        ("METRICS_TOKEN", "m" * 16, "metrics_token", "m" * 16),
        ("METRICS_TOKEN", " " + "m" * 16 + "\n", "metrics_token", "m" * 16),
        ("EXPOSE_MODE", "relay", "relay", True),
        ("EXPOSE_MODE", "direct", "relay", False),
    ],
)
def test_good(name, word, field, value):
    assert vars(read_settings({name: word})) == {**DEFAULTS, field: value}


@pytest.mark.parametrize(("name", "field"), FLAGS.items())
@pytest.mark.parametrize(("words", "value"), [("true 1 yes on TRUE Yes oN", True), ("false 0 no off FALSE No oFF", False)])
def test_flags(name, field, words, value):
    for word in words.split():
        assert getattr(read_settings({name: word}), field) is value, word


BAD = {
    "MAX_LOGIN_ATTEMPTS": ["0", "1001", "-1", "+3", "3.0", "1e2", "three", "0x3", "3 4", "٣", "9" * 400, "nan"],
    "SESSION_EXPIRE_HOURS": ["0", "0.0", "8760.1", "8761", "-1", "1e3", "inf", "nan", "24h", "1,5", ".5", "٣", "9" * 400],
    "RELOAD_GRACE": ["3601", "61m", "1.1h", "-1s", "10 s", "10d", "s", "1e1", "10s 2m", "٣", "9" * 400],
    "TRUSTED_PROXIES": ["proxy", "10.0.0.0/33", "10.0.0.256", "10.0.0.5;10.0.0.6", "*", "10.0.0.5,proxy", "fd00::/129", "/8"],
    "METRICS_TOKEN": ["m" * 15, "m" * 8 + " " + "m" * 8, "é" * 16, "m" * 16 + "\0"],
    **{name: ["maybe", "2", "tru", "yes no", "-", "1.0"] for name in FLAGS},
}


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, words in BAD.items() for word in words])
def test_bad_is_refused_by_its_name_and_not_repeated(name, word):
    with pytest.raises(Unsafe) as refused:
        read_settings({name: word})
    assert name in refused.value.what
    assert refused.value.remedy
    if name == "METRICS_TOKEN":
        assert word not in refused.value.what + refused.value.remedy


def test_nothing_that_can_be_said_makes_it_fall_over(chance):
    pieces = ["", " ", "0", "7", "99", ".", ",", "-", "/", ":", "%", "s", "m", "h", "e", "on", "é", "\0", "\udcff", "²", "\n"]
    for _ in range(3000):
        env = {name: "".join(chance.choices(pieces, k=chance.randrange(4))) for name in NAMES}
        try:
            read = read_settings(env)
        except Unsafe:
            continue
        assert 1 <= read.max_attempts <= 1000
        assert 1 <= read.session_seconds <= 8760 * 3600
        assert 0 <= read.grace_seconds <= 3600


class TestTokenFile:
    def test_its_content_is_the_token(self, tmp_path):
        path = tmp_path / "token"
        path.write_text("m" * 20 + "\n")
        assert read_settings({"METRICS_TOKEN_FILE": str(path)}).metrics_token == "m" * 20

    @pytest.mark.parametrize("content", [b"", b" \n", b"short\n", b"\xff" * 16, b"m" * 16 + b"\n" + b"m" * 16])
    def test_what_is_in_it_must_be_one(self, tmp_path, content):
        path = tmp_path / "token"
        path.write_bytes(content)
        with pytest.raises(Unsafe, match="METRICS_TOKEN"):
            read_settings({"METRICS_TOKEN_FILE": str(path)})

    def test_it_must_be_there(self, tmp_path):
        for path in (tmp_path / "absent", tmp_path):
            with pytest.raises(Unsafe, match="METRICS_TOKEN_FILE"):
                read_settings({"METRICS_TOKEN_FILE": str(path)})

    def test_not_beside_the_variable(self, tmp_path):
        path = tmp_path / "token"
        path.write_text("m" * 16)
        with pytest.raises(Unsafe, match="both"):
            read_settings({"METRICS_TOKEN_FILE": str(path), "METRICS_TOKEN": "n" * 16})


def test_a_metrics_token_that_would_never_come(tmp_path):
    os.mkfifo(tmp_path / "token")
    with pytest.raises(Unsafe, match="METRICS_TOKEN_FILE cannot be read"):
        read_settings({"METRICS_TOKEN_FILE": str(tmp_path / "token")})
