"""Session cookies with an age and attributes, whose key can be changed while ComfyUI serves."""

import base64
import logging
import os
from collections.abc import MutableSequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp_session import session_middleware
from aiohttp_session.cookie_storage import EncryptedCookieStorage


class _Storage(EncryptedCookieStorage):
    def load_cookie(self, request: web.Request) -> str | None:
        cookie = super().load_cookie(request)
        # What is no ASCII is no cookie of ours, and could not even be tried.
        return cookie if cookie is not None and cookie.isascii() else None


class Sessions:
    """Takes the place of the login node's session middleware."""

    def __init__(self, key: str, max_age: int) -> None:
        self._max_age = max_age
        self._plain, self._secure = self._pair(key)
        # After a rotation every browser still has an old cookie, and anybody can send one: that is worth no warning.
        logging.getLogger("aiohttp_session").setLevel(logging.ERROR)

    def take_place(self, middlewares: MutableSequence[Any], end: int) -> bool:
        """Whether there was one before `end` whose place could be taken. Of several the last one's: its sessions are
        those that the login node sees."""
        for index in reversed(range(end)):
            found = middlewares[index]
            name = getattr(found, "__qualname__", "")
            if getattr(found, "__module__", "") == "aiohttp_session" and name.startswith("session_middleware."):
                middlewares[index] = self._middleware()
                return True
        return False

    def use(self, key: str) -> None:
        """From now on cookies of this key hold, and no others. A request that has begun keeps its own: what it saves
        is worth nothing afterwards."""
        self._plain, self._secure = self._pair(key)

    def _pair(self, key: str) -> tuple[Middleware, Middleware]:
        def made(secure: bool) -> Middleware:
            storage = _Storage(key, max_age=self._max_age, samesite="Lax", secure=secure)
            return session_middleware(storage)

        return made(False), made(True)

    def _middleware(self) -> Middleware:
        @web.middleware
        async def sessions(request: web.Request, handler: Handler) -> web.StreamResponse:
            # Whoever lies about TLS only gets a cookie that a browser will not send back.
            forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
            current = self._secure if request.secure or forwarded == "https" else self._plain
            return await current(request, handler)

        return sessions


def new_key() -> str:
    """A key as the login node makes it: 32 random bytes, base64url."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()
