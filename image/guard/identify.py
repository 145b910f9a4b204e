"""Who a request comes from: a session, a bearer, a password in its place, or `?token=`."""

import hmac
import re
import time
from dataclasses import dataclass

from aiohttp import web
from aiohttp_session import get_session
from multidict import CIMultiDict

from .credential import Credential
from .passwords import Passwords, may_be_password
from .seen import Seen
from .settings import Settings
from .throttle import Throttle, client_address

_HEADER = re.compile(r"[ \t]*([^ \t]+)[ \t]+([^ \t]+)[ \t]*")


@dataclass(frozen=True)
class Known:
    """One who may come in. `request` is what the login node is to see: the live bearer in the place of what was sent."""

    verdict: str
    request: web.Request


@dataclass(frozen=True)
class Unknown:
    """One who may not. `wait`: tried too often, and may again after so many seconds."""

    verdict: str = "refused"
    wait: int = 0


@dataclass(frozen=True)
class Attempt:
    """What came of a password. `wait`: it was not looked at, and may be sent again after so many seconds."""

    fits: bool
    wait: int = 0


class Tokens:
    """The bearers that hold: the live one, and for a time the one before it."""

    def __init__(self, credential: Credential) -> None:
        self.live = credential
        self._before: str | None = None
        self._until = 0.0

    def change(self, credential: Credential, grace_seconds: float) -> None:
        """The old bearer holds on for the grace."""
        self._before = self.live.token
        self._until = time.monotonic() + grace_seconds
        self.live = credential

    @property
    def before(self) -> str | None:
        """The bearer in its grace."""
        return self._before if time.monotonic() < self._until else None

    def verdict(self, candidate: bytes, live: str) -> str | None:
        """Compares in constant time. Gives `live` or `grace`; None for what holds no longer, or never did."""
        if hmac.compare_digest(candidate, self.live.token.encode()):
            return live
        before = self.before
        return "grace" if before is not None and hmac.compare_digest(candidate, before.encode()) else None


class Identify:
    """Tells who may come in. What it lets in, the login node is asked about all the same."""

    def __init__(self, settings: Settings, tokens: Tokens, throttle: Throttle, seen: Seen) -> None:
        self._settings = settings
        self._tokens = tokens
        self._throttle = throttle
        self._seen = seen
        self._passwords = Passwords()

    async def identify(self, request: web.Request) -> Known | Unknown:
        """May take a bcrypt where a password is sent as a bearer for the first time."""
        by_session = await self._by_session(request)
        if by_session is not None:
            return by_session
        header = request.headers.get("Authorization")
        if header:
            found = _HEADER.fullmatch(header)
            if found is None:
                return Unknown("malformed")
            if found[1].lower() == "bearer":
                return await self._by_bearer(request, _bytes(found[2]))
        return self._by_query(request) or Unknown()

    async def is_known(self, request: web.Request) -> bool:
        """The same without a bcrypt: for what anybody may ask."""
        by_session = await self._by_session(request)
        if by_session is not None:
            return by_session.verdict == "session"
        found = _HEADER.fullmatch(request.headers.get("Authorization", ""))
        if found is None or found[1].lower() != "bearer":
            return False
        candidate = _bytes(found[2])
        return self._tokens.verdict(candidate, "bearer") is not None or self._recall(candidate) is not None

    async def attempt(self, request: web.Request, password: bytes, how: str) -> Attempt:
        """Asks bcrypt, within the limits, whether a password fits the live bearer; one that does is remembered."""
        token = self._tokens.live.token
        if not may_be_password(password):
            result = Attempt(False, self._draw(request))
        elif self._passwords.recall(password) == token:
            result = Attempt(True)
        else:
            result = await self._ask_bcrypt(request, password, token)
        if result.fits:
            self._throttle.succeeded(self.address_of(request))
            self._passwords.remember(password, token)
            self._seen.attempts["ok"] += 1
        elif result.wait == 0:
            self._seen.refused(self.address_of(request), how, "wrong-password")
        return result

    async def _ask_bcrypt(self, request: web.Request, password: bytes, token: str) -> Attempt:
        if not self._passwords.is_checking(password, token):
            wait = self._draw(request)
            if wait > 0:
                return Attempt(False, wait)
        # What fitted the bearer before this one fits nothing.
        return Attempt(await self._passwords.fits(password, token) and token == self._tokens.live.token)

    def malformed(self, request: web.Request) -> int:
        """Counts a form that cannot be a login; gives the seconds to wait where the limit is reached."""
        wait = self._draw(request)
        if wait == 0:
            self._seen.refused(self.address_of(request), "form", "malformed")
        return wait

    def wait(self, request: web.Request) -> int:
        """Seconds until a password may be tried from there again."""
        return self._told(request, self._throttle.wait(self.address_of(request)))

    def _draw(self, request: web.Request) -> int:
        return self._told(request, self._throttle.draw(self.address_of(request)))

    def _told(self, request: web.Request, wait: int) -> int:
        if wait > 0:
            self._seen.throttled(self.address_of(request), wait)
        return wait

    def address_of(self, request: web.Request) -> str:
        """Whose attempts are counted."""
        if self._settings.relay:
            return "relay"
        forwarded = request.headers.getall("X-Forwarded-For", [])
        return client_address(request.remote, forwarded, self._settings.trusted_proxies)

    def forget(self) -> None:
        """The credential has changed."""
        self._passwords.forget(but=self._tokens.before)

    async def _by_session(self, request: web.Request) -> Known | None:
        session = await get_session(request)
        if session.get("logged_in"):
            return Known("session", request)
        if session.get("guest_mode"):
            if self._settings.guests:
                return Known("guest", request)
            # From a time when guests were let in: the login node would still take it for one.
            del session["guest_mode"]
        return None

    async def _by_bearer(self, request: web.Request, candidate: bytes) -> Known | Unknown:
        verdict = self._tokens.verdict(candidate, "bearer")
        if verdict is not None:
            return Known(verdict, self._with_live_bearer(request))
        recalled = self._recall(candidate)
        if recalled is not None:
            verdict = "password" if recalled == self._tokens.live.token else "grace"
            return Known(verdict, self._with_live_bearer(request))
        if not self._settings.bearer_password or not may_be_password(candidate):
            return Unknown()
        attempt = await self.attempt(request, candidate, "bearer")
        if attempt.fits:
            return Known("password", self._with_live_bearer(request))
        return Unknown("throttled", attempt.wait) if attempt.wait > 0 else Unknown()

    def _by_query(self, request: web.Request) -> Known | None:
        token = request.query.get("token") if self._settings.query_token else None
        verdict = self._tokens.verdict(_bytes(token), "token") if token else None
        if verdict is None:
            return None
        if verdict == "token" and "Authorization" not in request.headers:
            return Known(verdict, request)
        # Another scheme's header would make the login node answer 500.
        return Known(verdict, self._with_live_bearer(request))

    def _recall(self, candidate: bytes) -> str | None:
        """The bearer that this password is known to fit, where that still holds."""
        token = self._passwords.recall(candidate) if self._settings.bearer_password else None
        return token if token is not None and token in (self._tokens.live.token, self._tokens.before) else None

    def _with_live_bearer(self, request: web.Request) -> web.Request:
        live = f"Bearer {self._tokens.live.token}"
        if request.headers.getall("Authorization", []) == [live]:
            return request
        headers = CIMultiDict((name, _sendable(value)) for name, value in request.headers.items())
        headers["Authorization"] = live
        return request.clone(headers=headers)


def _sendable(value: str) -> str:
    """aiohttp's `clone` takes UTF-8 only; what is none becomes Latin-1, which is what clients mean by it."""
    try:
        value.encode()
        return value
    except UnicodeEncodeError:
        return _bytes(value).decode("latin-1")


def _bytes(text: str) -> bytes:
    """What was sent, as aiohttp decoded it."""
    return text.encode("utf-8", "surrogateescape")
