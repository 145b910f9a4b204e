"""Whose attempts are counted: TRUSTED_PROXIES and X-Forwarded-For."""

import pytest
from guard.settings import read_settings
from guard.throttle import client_address

TRUSTED = read_settings({"TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7, fd00::/8"}).trusted_proxies


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        # No proxy of ours: what it says is worth nothing.
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        ("198.51.100.1", [], "198.51.100.1"),
        # A proxy that says nothing is who asks.
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.7", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.8", ["203.0.113.9"], "192.0.2.8"),
        # What a client wrote before the proxy's own entry is worth nothing.
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        # With the port, as some proxies write it.
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::/64"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::/64"),
        # Several proxies of ours.
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9, 10.0.0.3", " 10.0.0.2 "], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # Garbage stands for nobody: the last that is known is the proxy.
        ("10.0.0.1", ["garbage"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9,"], "10.0.0.1"),
        ("10.0.0.1", ["garbage, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9.1"], "10.0.0.1"),
        ("10.0.0.1", ["0xcb.0.113.9"], "10.0.0.1"),
        ("10.0.0.1", ["3405803785"], "10.0.0.1"),
        ("10.0.0.1", ["\udcff"], "10.0.0.1"),
        # IPv4 in IPv6 is IPv4.
        ("::ffff:198.51.100.1", [], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
        # Whoever has an IPv6 address has 2⁶⁴ of them.
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("fd00::1", ["2001:db8:1:2:ffff::1"], "2001:db8:1:2::/64"),
        ("fd00::1", ["[2001:db8:1:2::9]"], "2001:db8:1:2::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
        # No address at all: a socket file.
        (None, ["203.0.113.9"], "unknown"),
        ("", ["203.0.113.9"], "unknown"),
        ("garbage", ["203.0.113.9"], "unknown"),
    ],
)
def test_who_asks(peer, forwarded, expected):
    assert client_address(peer, forwarded, TRUSTED) == expected


def test_nobody_is_trusted_where_nothing_is_said():
    assert client_address("10.0.0.1", ["203.0.113.9"], ()) == "10.0.0.1"


def test_all_are_trusted_where_that_is_said():
    everybody = read_settings({"TRUSTED_PROXIES": "0.0.0.0/0, ::/0"}).trusted_proxies
    assert client_address("10.0.0.1", ["1.1.1.1, 203.0.113.9"], everybody) == "1.1.1.1"


def test_no_header_makes_it_fall_over_nor_stand_for_another(chance):
    pieces = ["", " ", ",", "1", "10.0.0.1", "::", ":", ".", "[", "]", "%", "x", "\0", "\udcff", "é", "/", "ffff", "9" * 50]
    for _ in range(5000):
        lines = ["".join(chance.choices(pieces, k=chance.randrange(8))) for _ in range(chance.randrange(3))]
        found = client_address("10.0.0.1", lines, TRUSTED)
        assert found.isascii()
        assert " " not in found
        assert client_address("198.51.100.1", lines, TRUSTED) == "198.51.100.1"


def test_a_long_list_is_no_work():
    assert client_address("10.0.0.1", [",".join(["10.0.0.2"] * 50_000)], TRUSTED) == "10.0.0.2"
