"""The middleware that stands in the place of ComfyUI-Login's, and lets through to it whoever may come in."""

import asyncio
import os
import stat

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from . import answers
from .identify import Identify, Known, Unknown
from .login_form import LoginForm
from .login_node import LoginNode
from .metrics import Metrics
from .reload import Reload
from .seen import Seen

NAME = "comfyui_auth_guard"

# The login node lets these through without a login, whoever serves them (password.py, check_login_status).
_OPEN_SUFFIXES = (".css", ".css.map", ".js", ".ico")
# A flood that is answered at once comes back at once.
_HOLD_SECONDS = 1.0
_MOST_HELD = 256


class Guard:
    """Answers what is its own, refuses what has no credential, and asks the login node about the rest."""

    def __init__(
        self, path: str, node: LoginNode, parts: tuple[Identify, LoginForm, Reload, Metrics], seen: Seen, version: str
    ) -> None:
        self._path = path
        self._node = node
        self._identify, self._form, self._reload, self._metrics = parts
        self._seen = seen
        self._version = version
        self._held = 0

    def middleware(self) -> Middleware:
        """To be put in the login node's place."""

        @web.middleware
        async def comfyui_auth_guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._answer(request, handler)

        return comfyui_auth_guard

    def _closed(self) -> str | None:
        """By a code, why nobody may come in now: with PASSWORD gone or empty the login node opens to anyone."""
        try:
            found = os.stat(self._path)
        except OSError:
            return "password-missing"
        if found.st_size == 0 or not stat.S_ISREG(found.st_mode):
            return "password-empty"
        return None if self._node.token else "token-empty"

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        if path == "/healthz":
            return await self._health(request)
        if self._closed() is not None:
            self._seen.requests["closed"] += 1
            return answers.closed()
        if path == "/reload_token":
            return await self._reload_by(request)
        if path == "/login" and request.method == "POST":
            return await self._log_in(request)
        if path == "/login" or _is_open(request):
            self._seen.requests["open"] += 1
            return await self._node.check(request, handler)
        if path == "/metrics" and self._metrics.has_own_token(request):
            return await self._metrics.answer(request)
        who = await self._identify.identify(request)
        self._seen.requests[who.verdict] += 1
        if isinstance(who, Unknown):
            return await self._refuse(request, who)
        return await self._let_in(who, handler)

    async def _let_in(self, who: Known, handler: Handler) -> web.StreamResponse:
        path = who.request.path
        if who.verdict == "guest" and not _is_for_guests(who.request):
            return answers.forbidden()
        if path == "/metrics":
            return await self._metrics.answer(who.request)
        if path == "/api/login" and who.request.method == "POST":
            return await self._log_in(who.request)
        return await self._node.check(who.request, handler)

    async def _refuse(self, request: web.Request, who: Unknown) -> web.StreamResponse:
        if who.wait > 0:
            return await self._throttle(request, who.wait)
        return answers.malformed() if who.verdict == "malformed" else answers.refused(request)

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        wait = self._identify.wait(request)
        answer = wait if wait > 0 else await self._form.answer(request)
        if isinstance(answer, int):
            self._seen.requests["throttled"] += 1
            return await self._throttle(request, answer)
        self._seen.requests["open"] += 1
        return answer

    async def _throttle(self, request: web.Request, wait: int) -> web.StreamResponse:
        answer = answers.throttled(request, wait)
        if self._held >= _MOST_HELD:
            answer.force_close()
            return answer
        self._held += 1
        try:
            await asyncio.sleep(_HOLD_SECONDS)
        finally:
            self._held -= 1
        return answer

    async def _health(self, request: web.Request) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return answers.wrong_method("GET, HEAD")
        reason = self._closed()
        body: dict[str, object] = {"status": "ok" if reason is None else "closed"}
        if await self._identify.is_known(request):
            body["guard"] = {"version": self._version, "reload": self._reload.is_supported}
            body["credential"] = self._reload.fingerprint
            if reason is not None:
                body["reason"] = reason
        return answers.json(body, 200 if reason is None else 503)

    async def _reload_by(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return answers.wrong_method("POST")
        if not self._reload.holds(request):
            who = await self._identify.identify(request)
            self._seen.requests[who.verdict] += 1
            if isinstance(who, Unknown):
                return await self._refuse(request, who)
            if who.verdict == "guest":
                return answers.forbidden()
        result = await self._reload.reload("request")
        return answers.json(result.body, result.status)


def _is_for_guests(request: web.Request) -> bool:
    """Of what the login node lets guests do, not the log, which has had the token in it, and no change of a file whose
    name ends as a page's does: there it does not look who asks."""
    if request.path.startswith("/internal/logs") or request.path == "/metrics":
        return False
    return request.method == "GET" or not request.path.endswith(_OPEN_SUFFIXES)


def _is_open(request: web.Request) -> bool:
    """A file of the web pages, which a browser loads before anybody has logged in. Nothing else that has such a name:
    ComfyUI takes any name for a user's file (`/userdata/{file}`)."""
    if request.method not in ("GET", "HEAD") or not request.path.endswith(_OPEN_SUFFIXES):
        return False
    return isinstance(request.match_info.route.resource, web.StaticResource)
