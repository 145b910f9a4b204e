"""The one credential of ComfyUI-Login, as its PASSWORD file holds it."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from .faults import Unsafe
from .regular_file import read_regular

# Python's bcrypt takes these costs only (bcrypt, `_bcrypt/src/lib.rs`).
_SHAPE = rb"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}"
_CANONICAL = re.compile(rb"(" + _SHAPE + rb")\n([^\n]+)\n?")
# Above it one login takes from half a minute to days.
_MOST_COST = 16
_BEARER = re.compile(_SHAPE)
_MOST_BYTES = 4096
_REMEDY = "write PASSWORD as `hash`, newline, `user name` (`comfyui-auth sync` does), then start again"


@dataclass(frozen=True)
class Credential:
    # The bcrypt hash, which is the API's bearer.
    token: str
    username: str

    @property
    def fingerprint(self) -> str:
        """By which a bearer may be named: the first 8 hex digits of its SHA-256."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:8]


def has_bearer_shape(value: bytes) -> bool:
    """Whether this is a bcrypt hash, and so no password to be tried."""
    return _BEARER.fullmatch(value) is not None


def read_credential(path: str) -> Credential:
    """Reads PASSWORD's raw bytes, since every deviation breaks bearer or form. Raises `Unsafe`."""
    content = _read(path)
    found = _CANONICAL.fullmatch(content)
    if found is None or len(content) == _MOST_BYTES:
        raise Unsafe(f"{path} {_deviation(content)}", _REMEDY)
    if int(found[2]) > _MOST_COST:
        raise Unsafe(f"{path} has a hash of cost {int(found[2])}: no login would end", "use a hash of cost 12")
    return Credential(found[1].decode(), _username(path, found[3]))


def _username(path: str, content: bytes) -> str:
    try:
        username = content.decode("utf-8")
    except UnicodeDecodeError:
        raise Unsafe(f"{path} has a user name that is not UTF-8", _REMEDY) from None
    if username != username.strip():
        raise Unsafe(f"{path} has blanks around its user name", _REMEDY)
    if any(unicodedata.category(character) == "Cc" for character in username):
        raise Unsafe(f"{path} has a control character in its user name", _REMEDY)
    return username


def _read(path: str) -> bytes:
    try:
        return read_regular(path, _MOST_BYTES)
    except FileNotFoundError:
        raise Unsafe(f"{path} is missing: the first visitor would choose the password", _REMEDY) from None
    except OSError as error:
        raise Unsafe(f"{path} cannot be read ({error.strerror})", _REMEDY) from None


def _deviation(content: bytes) -> str:
    """In words without a byte of it."""
    if content == b"":
        return "is empty"
    if content.startswith(b"\xef\xbb\xbf"):
        return "begins with a byte order mark"
    if b"\r" in content:
        return "has a carriage return in it"
    first, _, rest = content.partition(b"\n")
    if not _BEARER.fullmatch(first):
        return f"has no bcrypt hash as its first line ({len(first)} characters; 60 are right)"
    return "has no user name in its second line" if not rest.strip() else "has more than a hash and a user name"
