"""Whether a password fits a bearer: bcrypt, off the event loop, and remembered."""

import asyncio
import hmac
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from .credential import has_bearer_shape

# bcrypt takes no more, and none with a NUL in it.
_MOST_BYTES = 72
_AT_ONCE = 2
_MOST_WAITING = 8
_MOST_REMEMBERED = 4096


class Passwords:
    """Remembers from which address which password fitted, by a digest with a key that never leaves this process. By
    address, since else whoever guesses would be told by the memory alone, without a bcrypt."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._fitting: OrderedDict[bytes, str] = OrderedDict()
        self._running: dict[tuple[bytes, str], asyncio.Task[bool]] = {}
        # Python waits for all that is queued in a pool before it ends: what waits, waits out here.
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="bcrypt")

    def recall(self, address: str, password: bytes) -> str | None:
        """The token that this password was seen to fit, when it came from there."""
        digest = self._digest(address, password)
        token = self._fitting.get(digest)
        if token is not None:
            self._fitting.move_to_end(digest)
        return token

    def remember(self, address: str, password: bytes, token: str) -> None:
        """It was seen to fit."""
        self._fitting[self._digest(address, password)] = token
        if len(self._fitting) > _MOST_REMEMBERED:
            self._fitting.popitem(last=False)

    def forget(self, but: str | None) -> None:
        """All that was remembered but of one token."""
        kept = [(digest, token) for digest, token in self._fitting.items() if token == but]
        self._fitting = OrderedDict(kept)

    @property
    def is_busy(self) -> bool:
        """Whether so many wait that another one would wait for seconds."""
        return len(self._running) >= _AT_ONCE + _MOST_WAITING

    def is_checking(self, address: str, password: bytes, token: str) -> bool:
        """Whether the answer is being computed already: whoever waits for it as well costs nothing."""
        return (self._digest(address, password), token) in self._running

    async def fits(self, address: str, password: bytes, token: str) -> bool:
        """Computes bcrypt once for all who ask the same from the same address at a time."""
        key = (self._digest(address, password), token)
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._check(password, token))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        # One client that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    async def _check(self, password: bytes, token: str) -> bool:
        async with self._turns:
            try:
                return await asyncio.get_running_loop().run_in_executor(
                    self._pool, bcrypt.checkpw, password, token.encode()
                )
            except ValueError:
                # A hash of the right shape whose salt no bcrypt has made: no password fits it.
                return False

    def _digest(self, address: str, password: bytes) -> bytes:
        return hmac.digest(self._key, address.encode() + b"\0" + password, "sha256")


def may_be_password(value: bytes) -> bool:
    """Whether it is worth bcrypt: a hash is a bearer that no longer holds, or never did."""
    return 0 < len(value) <= _MOST_BYTES and b"\0" not in value and not has_bearer_shape(value)
