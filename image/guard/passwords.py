"""Whether a password fits a bearer: bcrypt, off the event loop, and remembered."""

import asyncio
import hmac
import os
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from .credential import has_bearer_shape

# bcrypt takes no more, and none with a NUL in it.
_MOST_BYTES = 72
_WORKERS = 2


class Passwords:
    """Remembers which password fits by a digest with a key that never leaves this process."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        # By digest, the token that the password fits: one for each token that holds.
        self._fitting: dict[bytes, str] = {}
        self._running: dict[tuple[bytes, str], asyncio.Task[bool]] = {}
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="bcrypt")

    def recall(self, password: bytes) -> str | None:
        """The token that this password was seen to fit."""
        return self._fitting.get(self._digest(password))

    def forget(self, but: str | None) -> None:
        """All that was remembered but of one token."""
        self._fitting = {digest: token for digest, token in self._fitting.items() if token == but}

    def is_checking(self, password: bytes, token: str) -> bool:
        """Whether the answer is being computed already: whoever waits for it as well costs nothing."""
        return (self._digest(password), token) in self._running

    async def fits(self, password: bytes, token: str) -> bool:
        """Computes bcrypt once for all who ask the same at a time."""
        key = (self._digest(password), token)
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._check(password, token))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        # One client that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def remember(self, password: bytes, token: str) -> None:
        """It was seen to fit a token that holds."""
        self._fitting[self._digest(password)] = token

    async def _check(self, password: bytes, token: str) -> bool:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, bcrypt.checkpw, password, token.encode())
        except ValueError:
            # A hash of the right shape whose salt no bcrypt has made: no password fits it.
            return False

    def _digest(self, password: bytes) -> bytes:
        return hmac.digest(self._key, password, "sha256")


def may_be_password(value: bytes) -> bool:
    """Whether it is worth bcrypt: a hash is a bearer that no longer holds, or never did."""
    return 0 < len(value) <= _MOST_BYTES and b"\0" not in value and not has_bearer_shape(value)
