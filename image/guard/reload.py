"""Another credential without a restart: PASSWORD is read again, and the login node gets what it holds."""

import asyncio
import os
from dataclasses import dataclass

from aiohttp import web

from .credential import Credential, read_credential
from .faults import Unsafe
from .identify import Identify, Tokens, sends_bearer
from .login_node import LoginNode
from .seen import Seen
from .sessions import Sessions, new_key
from .settings import Settings


@dataclass(frozen=True)
class Result:
    """What came of it, as it is answered."""

    status: int
    body: dict[str, object]


class Reload:
    """Swaps the live credential. One at a time; between two requests, so that each sees the old one or the new."""

    def __init__(
        self,
        settings: Settings,
        path: str,
        inside: tuple[LoginNode, Sessions | None],
        known: tuple[Tokens, Identify],
        seen: Seen,
    ) -> None:
        self._settings = settings
        self._path = path
        self._node, self._sessions = inside
        self._tokens, self._identify = known
        self._seen = seen
        self._one_at_a_time = asyncio.Lock()
        self.changed_at = _written_at(path)

    @property
    def is_supported(self) -> bool:
        """Whether the login node's inside is as expected."""
        return self._node.can_change and self._sessions is not None

    @property
    def fingerprint(self) -> str:
        """Of the live bearer."""
        return self._tokens.live.fingerprint

    def holds(self, request: web.Request) -> bool:
        """Whether the request has the bearer that PASSWORD holds now: who wrote it may have it taken."""
        try:
            token = read_credential(self._path).token
        except Unsafe:
            return False
        return sends_bearer(request, token)

    async def reload(self, trigger: str) -> Result:
        """Never raises for what PASSWORD holds: then everything stays as it was."""
        async with self._one_at_a_time:
            name, result = await self._reload()
            self._seen.reloads[name] += 1
            facts = {"reason": result.body["error"]} if "error" in result.body else {}
            self._seen.event("reload", trigger=trigger, result=name, **facts)
            return result

    async def _reload(self) -> tuple[str, Result]:
        if not self.is_supported:
            error = "the login node's inside is not as expected: restart ComfyUI instead"
            return "unsupported", Result(501, {"code": "reload-unsupported", "error": error})
        try:
            credential = read_credential(self._path)
        except Unsafe as fault:
            return "refused", Result(409, {"code": "password-invalid", "error": fault.what})
        if credential == self._tokens.live:
            return "unchanged", Result(200, {"reloaded": False, "credential": self.fingerprint})
        return "reloaded", Result(200, {"reloaded": True, **await self._change(credential)})

    async def _change(self, credential: Credential) -> dict[str, object]:
        grace = self._settings.grace_seconds
        self._tokens.change(credential, grace)
        self._node.change(credential)
        self._identify.forget()
        self.changed_at = _written_at(self._path)
        facts: dict[str, object] = {
            "credential": self.fingerprint,
            "sessions": "kept" if self._settings.keep_sessions else await self._end_sessions(),
            "graceSeconds": grace,
        }
        self._seen.event("rotation", **facts)
        return facts

    async def _end_sessions(self) -> str:
        key = new_key()
        if self._sessions is not None:
            self._sessions.use(key)
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._node.keep_session_key, key)
        except OSError as error:
            # The old sessions are over, but would come back with a restart: the entrypoint renews such a key then.
            self._seen.event("session-key-not-written", reason=error.strerror)
        return "ended"


def _written_at(path: str) -> float | None:
    """When the credential was written, in seconds since 1970."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None
