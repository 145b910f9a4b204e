"""PASSWORD's raw bytes: one form alone is good."""

import hashlib
import os

import pytest
from guard.credential import Credential, has_bearer_shape, read_credential
from guard.faults import Unsafe


@pytest.fixture
def read(tmp_path):
    path = tmp_path / "PASSWORD"

    def read_bytes(content):
        path.write_bytes(content)
        return read_credential(str(path))

    return read_bytes


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("user", ["ada", "ada lovelace", "Zoë", "管理者", "a", "x" * 200])
def test_canonical(read, token, user, end):
    assert read(token.encode() + b"\n" + user.encode() + end) == Credential(token, user)


@pytest.mark.parametrize("start", ["$2a$04$", "$2b$16$", "$2y$12$"])
def test_every_bcrypt_that_the_login_node_takes(read, token, start):
    other = start + token[7:]
    assert read(other.encode() + b"\nada").token == other
    assert has_bearer_shape(other.encode())


def changed(token):
    """What is wrong, and the bytes that have it so."""
    line, user = token.encode(), b"\nada"
    return {
        "is empty": b"",
        "byte order mark": b"\xef\xbb\xbf" + line + user,
        "carriage return, as Windows ends lines": line + b"\r\nada\r\n",
        "carriage return at the very end": line + user + b"\r",
        "blank at the end of the hash": line + b" " + user,
        "blank before the hash": b" " + line + user,
        "tab at the end of the hash": line + b"\t" + user,
        "one line": line,
        "one line, ended": line + b"\n",
        "an empty user": line + b"\n\n",
        "a blank user": line + b"\n \n",
        "a blank before the user": line + b"\n ada",
        "a blank behind the user": line + b"\nada \n",
        "no-break space behind the user": line + "\nada\u00a0".encode(),
        "three lines": line + user + b"\nmore",
        "an empty line at the end": line + user + b"\n\n",
        "an empty line at the start": b"\n" + line + user,
        "not UTF-8 in the hash": b"\xff" + line[1:] + user,
        "not UTF-8 in the user": line + b"\n\xff\xfe",
        "half a character in the user": line + b"\nZo\xc3",
        "tab in the user": line + b"\na\tda",
        "escape in the user": line + b"\na\x1bda",
        "delete in the user": line + b"\na\x7fda",
        "a control character of Latin-1 in the user": line + "\na\u0085da".encode(),
        "NUL in the user": line + b"\na\0da",
        "59 characters": line[:-1] + user,
        "61 characters": line + b"a" + user,
        "63 characters": line + b"aaa" + user,
        "no dollar, as a shell leaves it": line.replace(b"$", b"") + user,
        "dollars doubled, as Compose wants them": line.replace(b"$", b"$$") + user,
        "cost 03": line.replace(b"$10$", b"$03$") + user,
        "cost 17": line.replace(b"$10$", b"$17$") + user,
        "cost 17, which takes half a minute": line.replace(b"$10$", b"$17$") + user,
        "cost 31, which takes days": line.replace(b"$10$", b"$31$") + user,
        "cost 32": line.replace(b"$10$", b"$32$") + user,
        "cost 99": line.replace(b"$10$", b"$99$") + user,
        "another kind": line.replace(b"$2b$", b"$2x$") + user,
        "a foreign character in the hash": line[:-1] + b"=" + user,
        "digits of another script": line.replace(b"$10$", "$١٠$".encode()) + user,
        "more than can be a hash and a name": line + b"\n" + b"u" * 5000,
        "a user that goes on behind what is read": line + b"\n" + b"u" * 4036 + b"\nmore",
    }


@pytest.mark.parametrize("name", changed("$2b$10$" + "a" * 53))
def test_deviation(read, token, name):
    content = changed(token)[name]
    with pytest.raises(Unsafe) as refused:
        read(content)
    said = refused.value.what + refused.value.remedy
    assert token[7:] not in said
    assert "\n" not in said


def test_what_is_wrong_is_named(read, token):
    for name, words in [
        ("is empty", "is empty"),
        ("byte order mark", "byte order mark"),
        ("carriage return, as Windows ends lines", "carriage return"),
        ("one line", "no user name"),
        ("three lines", "more than"),
        ("61 characters", r"\(61 characters"),
        ("not UTF-8 in the user", "not UTF-8"),
    ]:
        with pytest.raises(Unsafe, match=words):
            read(changed(token)[name])


def test_no_bytes_make_it_fall_over(read, token, chance):
    canonical = token.encode() + b"\nada\n"
    for _ in range(1000):
        content = bytearray(canonical)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(content))
            content[at : at + chance.randrange(3)] = bytes(chance.choices(range(256), k=chance.randrange(3)))
        try:
            found = read(bytes(content))
        except Unsafe:
            continue
        assert bytes(content).rstrip(b"\n") == f"{found.token}\n{found.username}".encode()
        assert has_bearer_shape(found.token.encode())


class TestNoFile:
    def test_absent(self, tmp_path):
        with pytest.raises(Unsafe, match="missing"):
            read_credential(str(tmp_path / "PASSWORD"))

    def test_folder_and_nothing_of_it_stays_open(self, tmp_path):
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            with pytest.raises(Unsafe, match="PASSWORD|folder|file|directory"):
                read_credential(str(tmp_path))
        assert os.listdir("/proc/self/fd") == before

    def test_pipe_does_not_hold_it_up(self, tmp_path):
        os.mkfifo(tmp_path / "PASSWORD")
        with pytest.raises(Unsafe, match="not a file"):
            read_credential(str(tmp_path / "PASSWORD"))

    def test_link_that_leads_nowhere(self, tmp_path):
        (tmp_path / "PASSWORD").symlink_to("nowhere")
        with pytest.raises(Unsafe, match="missing"):
            read_credential(str(tmp_path / "PASSWORD"))


def test_fingerprint(token):
    assert Credential(token, "ada").fingerprint == hashlib.sha256(token.encode()).hexdigest()[:8]


@pytest.mark.parametrize("value", [b"", b"pw", b"$2b$10$", b"$2b$10$" + b"a" * 52, b"$2b$10$" + b"a" * 53 + b"\n"])
def test_no_bearer(value):
    assert not has_bearer_shape(value)
