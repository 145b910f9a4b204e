"""`POST /login`, answered here: the login node's own handler computes bcrypt on the event loop, and lets the first
visitor choose a password where there is none."""

import os

from aiohttp import web
from aiohttp_session import get_session

from . import answers
from .identify import Identify, Tokens
from .settings import Settings

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_MOST_BYTES = 16 * 1024


class LoginForm:
    """Checks what the login page sends."""

    def __init__(self, settings: Settings, identify: Identify, tokens: Tokens, guest_path: str) -> None:
        self._settings = settings
        self._identify = identify
        self._tokens = tokens
        self._guest_path = guest_path

    async def answer(self, request: web.Request) -> web.Response | int:
        """The answer, or the seconds to wait where the limit is reached."""
        if request.content_type not in _FORMS:
            return self._malformed(request, "The login is a form, urlencoded or multipart.", 415)
        # What is packed, or has no length, could be of any size, and aiohttp reads it line by line before it counts.
        if "Content-Encoding" in request.headers:
            return self._malformed(request, "The form must not be packed.", 415)
        if request.content_length is None:
            return self._malformed(request, "The length of the form is missing.", 411)
        if request.content_length > _MOST_BYTES:
            return self._malformed(request, "The form is too large.", 413)
        try:
            form = await request.post()
        except ConnectionError:
            # Who goes away has not tried anything, and hears nothing.
            return answers.json({"error": "The form is not whole."}, 400)
        except Exception:  # noqa: BLE001 - aiohttp has a different one for each thing that can be wrong with a body
            return self._malformed(request, "The form cannot be read.", 400)
        if form.get("guest_mode") == "1" and self._settings.guests and os.path.exists(self._guest_path):
            (await get_session(request))["guest_mode"] = True
            return answers.redirect("/")
        password = form.get("password")
        if not isinstance(password, str):
            return self._malformed(request, "The field `password` is missing.", 400)
        attempt = await self._identify.attempt(request, password.encode("utf-8", "surrogatepass"), "form")
        if attempt.verdict == "password":
            return await self._log_in(request)
        return attempt.wait or answers.redirect("/login?wrong_password=1")

    async def _log_in(self, request: web.Request) -> web.Response:
        session = await get_session(request)
        session.pop("guest_mode", None)
        session["logged_in"] = True
        session["username"] = self._tokens.live.username
        return answers.redirect("/")

    def _malformed(self, request: web.Request, error: str, status: int) -> web.Response | int:
        return self._identify.malformed(request) or answers.json({"error": error}, status)
