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

# Too many wait for bcrypt: soon there will be room.
_BUSY_SECONDS = 1
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
    """What came of a password. `verdict`: `password` where it fits the live bearer, `grace` where the one before it.
    `wait`: it was not looked at, and may be sent again after so many seconds."""

    verdict: str | None
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

    def verdict_of(self, token: str | None) -> str | None:
        """For a password that is known to fit this token: `password` or `grace`; None where it holds no longer."""
        if token is None:
            return None
        return "password" if token == self.live.token else "grace" if token == self.before else None


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
        """Whether it has a session or a bearer: what anybody may ask must not tell who guesses a password right."""
        by_session = await self._by_session(request)
        if by_session is not None:
            return by_session.verdict == "session"
        found = _HEADER.fullmatch(request.headers.get("Authorization", ""))
        if found is None or found[1].lower() != "bearer":
            return False
        return self._tokens.verdict(_bytes(found[2]), "bearer") is not None

    async def attempt(self, request: web.Request, password: bytes, how: str) -> Attempt:
        """Within the limits, whether a password fits a bearer that holds: by bcrypt, and from then on by memory."""
        address = self.address_of(request)
        if not may_be_password(password):
            wait = self._draw(address)
            if wait == 0:
                self._seen.refused(address, how, "wrong-password")
            return Attempt(None, wait)
        remembered = self._tokens.verdict_of(self._passwords.recall(address, password))
        if remembered is None:
            return await self._ask_bcrypt(address, password, how)
        # Whoever shares the address must not guess for nothing; others' failures do not count here.
        wait = self._draw(address, in_all=False)
        if wait == 0:
            self._throttle.give_back(address, in_all=False)
        return Attempt(remembered if wait == 0 else None, wait)

    async def _ask_bcrypt(self, address: str, password: bytes, how: str) -> Attempt:
        token = self._tokens.live.token
        joins = self._passwords.is_checking(address, password, token)
        wait = 0 if joins else _BUSY_SECONDS if self._passwords.is_busy else self._draw(address)
        if wait > 0:
            return Attempt(None, wait)
        # What fitted the bearer before this one fits nothing.
        fits = await self._passwords.fits(address, password, token) and token == self._tokens.live.token
        if fits and not joins:
            self._throttle.succeeded(address)
            self._passwords.remember(address, password, token)
            self._seen.attempts["ok"] += 1
        elif not joins:
            self._seen.refused(address, how, "wrong-password")
        return Attempt("password" if fits else None)

    def malformed(self, request: web.Request) -> int:
        """Counts a form that cannot be a login; gives the seconds to wait where the limit is reached."""
        address = self.address_of(request)
        wait = self._draw(address)
        if wait == 0:
            self._seen.refused(address, "form", "malformed")
        return wait

    def wait(self, request: web.Request) -> int:
        """Seconds until anything may be tried from there again."""
        address = self.address_of(request)
        wait = self._throttle.wait(address, in_all=False)
        if wait > 0:
            self._seen.throttled(address, wait)
        return wait

    def _draw(self, address: str, *, in_all: bool = True) -> int:
        wait = self._throttle.draw(address, in_all=in_all)
        if wait > 0:
            self._seen.throttled(address, wait)
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
        if not self._settings.bearer_password or not may_be_password(candidate):
            return Unknown()
        attempt = await self.attempt(request, candidate, "bearer")
        if attempt.verdict is not None:
            return Known(attempt.verdict, self._with_live_bearer(request))
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

    def _with_live_bearer(self, request: web.Request) -> web.Request:
        live = f"Bearer {self._tokens.live.token}"
        if request.headers.getall("Authorization", []) == [live]:
            return request
        headers = CIMultiDict(request.headers)
        if not all(value.isascii() for value in headers.values()):
            headers = CIMultiDict((name, _sendable(value)) for name, value in headers.items())
        headers["Authorization"] = live
        return request.clone(headers=headers)


def sends_bearer(request: web.Request, token: str) -> bool:
    """Whether a request has just this bearer, compared in constant time."""
    return hmac.compare_digest(_bytes(request.headers.get("Authorization", "")), f"Bearer {token}".encode())


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
