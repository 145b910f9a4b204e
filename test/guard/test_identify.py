"""Who a request comes from: whatever it sends, nothing raises, and only what is valid comes in."""

import asyncio

import bcrypt
import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp_session import SESSION_KEY, Session
from guard.credential import Credential
from guard.identify import Attempt, Identify, Known, Tokens, Unknown
from guard.seen import Seen
from guard.settings import read_settings
from guard.throttle import Throttle
from multidict import CIMultiDict, CIMultiDictProxy

PASSWORD = "correct horse battery"
SPACELESS = "correct-horse"


@pytest.fixture(scope="module")
def live():
    return bcrypt.hashpw(SPACELESS.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def make(live, clock):
    def made(**env):
        settings, tokens, seen = read_settings(env), Tokens(Credential(live, "ada")), Seen()
        throttle = Throttle(settings.max_attempts, only_in_all=settings.relay, clock=clock)
        return Identify(settings, tokens, throttle, seen), tokens, seen

    return made


def request(headers=(), query="", session=None):
    """A request as aiohttp hands it on: what is no UTF-8 in a header is a surrogate."""
    made = make_mocked_request("GET", "/queue" + query)
    # Put in afterwards: the mock encodes headers strictly, which aiohttp's parser does not; and aiohttp warns of a key
    # that is a string, which is aiohttp_session's.
    made._message = made._message._replace(headers=CIMultiDictProxy(CIMultiDict(headers)))
    made._headers = made._message.headers
    made._state[SESSION_KEY] = Session("", data=None if session is None else {"session": session}, new=session is None)
    return made


def bearer(value, kind="Bearer "):
    return request([("Authorization", kind + value)])


def told(identify, *requests):
    """The verdict on each, one after the other."""

    async def ask():
        return [(await identify.identify(one)).verdict for one in requests]

    return asyncio.run(ask())


class TestHeader:
    @pytest.mark.parametrize("kind", ["Bearer ", "bearer ", "BEARER ", " Bearer  ", "\tBearer\t"])
    def test_the_live_bearer(self, make, live, kind):
        who = asyncio.run(make()[0].identify(bearer(live, kind)))
        assert who.verdict == "bearer"
        assert who.request.headers.getall("Authorization") == [f"Bearer {live}"]

    @pytest.mark.parametrize(
        "header", ["Bearer", "Bearer ", " ", "\t", "x", "Bearer a b", "Bearer a b c", "Basic a b", "Bearer  a  b", "a\tb\tc"]
    )
    def test_not_of_two_parts(self, make, header):
        assert told(make()[0], request([("Authorization", header)])) == ["malformed"]

    def test_no_password_is_cut_at_a_blank(self, make, asked):
        assert told(make()[0], bearer(f"{SPACELESS} x")) == ["malformed"]
        assert asked == []

    @pytest.mark.parametrize("header", ["Basic YTpi", "Digest x", "Bearer\u00a0x y", "Bearers x", "\udcff \udcfe"])
    def test_another_scheme_is_no_credential(self, make, asked, header):
        assert told(make()[0], request([("Authorization", header)])) == ["refused"]
        assert asked == []

    def test_none_and_an_empty_one(self, make):
        assert told(make()[0], request(), request([("Authorization", "")])) == ["refused", "refused"]

    def test_of_two_the_first_counts_and_one_is_handed_on(self, make, live):
        both = [("Authorization", f"Bearer {live}"), ("Authorization", "Basic x y")]
        who = asyncio.run(make()[0].identify(request(both)))
        assert who.verdict == "bearer"
        assert who.request.headers.getall("Authorization") == [f"Bearer {live}"]
        assert told(make()[0], request(both[::-1])) == ["malformed"]

    def test_other_headers_are_handed_on(self, make, live):
        sent = [("Authorization", f"bearer {live}"), ("X-One", "1"), ("X-One", "2"), ("User-Agent", "caf\udce9")]
        who = asyncio.run(make()[0].identify(request(sent)))
        assert who.request.headers.getall("X-One") == ["1", "2"]
        assert who.request.headers["User-Agent"] == "café"

    def test_whatever_is_sent_nothing_raises_and_nobody_comes_in(self, make, live, chance):
        identify, _, _ = make(MAX_LOGIN_ATTEMPTS="1")
        pieces = ["Bearer", "bearer", "Basic", " ", "  ", "\t", ",", ":", "=", "\u00a0", "\u2028", "\x0b", "é", "\0", "\x7f", "$2b$"]
        pieces += [live[:-1], live + "x", live[:30], *(chr(0xDC80 + number) for number in range(0, 128, 7)), *"aZ0/."]

        def header():
            if chance.random() < 0.5:
                return "".join(chance.choices(pieces, k=chance.randrange(8)))
            return bytes(chance.choices(range(256), k=chance.randrange(100))).decode("utf-8", "surrogateescape")

        sent = [request([("Authorization", header())]) for _ in range(800)]
        verdicts = set(told(identify, *sent))
        assert verdicts <= {"malformed", "refused", "throttled"}
        assert verdicts >= {"malformed", "refused"}

    def test_nor_by_the_query(self, make, chance):
        identify, _, _ = make()
        for _ in range(300):
            value = "".join(chance.choices(["%FF", "%ED%A0%80", "%00", "%", "a", "+", "=", "é", "%C3%A9"], k=chance.randrange(6)))
            assert told(identify, request(query=f"?token={value}")) == ["refused"]


class TestQuery:
    def test_the_live_bearer(self, make, live):
        assert told(make()[0], request(query=f"?token={live}")) == ["token"]

    @pytest.mark.parametrize("query", ["?token=", "?token", "?token=&token=x", "?other=x", f"?token={SPACELESS}"])
    def test_nothing_else(self, make, asked, query):
        assert told(make()[0], request(query=query)) == ["refused"]
        assert asked == []

    def test_can_be_switched_off(self, make, live):
        assert told(make(QUERY_TOKEN="off")[0], request(query=f"?token={live}")) == ["refused"]

    def test_beside_another_scheme_the_login_node_sees_the_bearer(self, make, live):
        who = asyncio.run(make()[0].identify(request([("Authorization", "Basic x")], f"?token={live}")))
        assert who.verdict == "token"
        assert who.request.headers.getall("Authorization") == [f"Bearer {live}"]


@pytest.fixture
def asked(monkeypatch):
    """What bcrypt was asked."""
    calls, real = [], bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *words: calls.append(words[0]) or real(*words))
    return calls


class TestPassword:
    def test_comes_in_and_is_asked_of_bcrypt_once(self, make, live, asked):
        identify, _, seen = make(MAX_LOGIN_ATTEMPTS="1")
        assert told(identify, *[bearer(SPACELESS) for _ in range(100)]) == ["password"] * 100
        assert asked == [SPACELESS.encode()]
        assert seen.attempts["ok"] == 1
        who = asyncio.run(identify.identify(bearer(SPACELESS)))
        assert who.request.headers["Authorization"] == f"Bearer {live}"

    def test_can_be_switched_off(self, make, asked):
        assert told(make(BEARER_PASSWORD="off")[0], bearer(SPACELESS)) == ["refused"]
        assert asked == []

    def test_a_wrong_one_until_the_limit_which_is_before_bcrypt(self, make, asked, clock):
        identify, _, _ = make()
        assert told(identify, *[bearer(f"wrong-{number}") for number in range(5)]) == ["refused"] * 3 + ["throttled"] * 2
        assert len(asked) == 3
        assert asyncio.run(identify.identify(bearer("wrong"))) == Unknown("throttled", 20)
        clock.passes(20)
        assert told(identify, bearer("wrong"), bearer(SPACELESS)) == ["refused", "throttled"]

    def test_the_limit_is_none_for_who_has_the_bearer_or_is_remembered(self, make, live):
        identify, _, _ = make()
        assert told(identify, bearer(SPACELESS)) == ["password"]
        told(identify, *[bearer(f"wrong-{number}") for number in range(5)])
        assert told(identify, bearer("wrong"), bearer(SPACELESS), bearer(live)) == ["throttled", "password", "bearer"]

    def test_a_hash_is_never_tried(self, make, token, asked):
        identify, _, seen = make()
        assert told(identify, *[bearer(token) for _ in range(100)]) == ["refused"] * 100
        assert (asked, seen.attempts) == ([], {})

    def test_one_that_cannot_be_a_password_is_not_tried(self, make, asked):
        assert told(make()[0], bearer("x" * 73), bearer("a\0b")) == ["refused", "refused"]
        assert asked == []

    def test_that_fitted_what_is_no_longer_live_does_not_come_in(self, make, token, monkeypatch):
        identify, tokens, _ = make()
        real = bcrypt.checkpw

        def rotate_meanwhile(*words):
            tokens.change(Credential(token, "ada"), 0)
            return real(*words)

        monkeypatch.setattr(bcrypt, "checkpw", rotate_meanwhile)
        assert told(identify, bearer(SPACELESS)) == ["refused"]


class TestRotation:
    def test_the_old_bearer_and_its_password_are_over(self, make, live, token):
        identify, tokens, _ = make()
        assert told(identify, bearer(SPACELESS)) == ["password"]
        tokens.change(Credential(token, "ada"), 0)
        identify.forget()
        assert told(identify, bearer(live), bearer(SPACELESS), bearer(token)) == ["refused", "refused", "bearer"]
        assert told(identify, request(query=f"?token={live}")) == ["refused"]

    def test_in_the_grace_both_hold_and_then_one(self, make, live, token, monkeypatch, clock):
        monkeypatch.setattr("guard.identify.time.monotonic", clock)
        identify, tokens, _ = make()
        told(identify, bearer(SPACELESS))
        tokens.change(Credential(token, "ada"), 10)
        identify.forget()
        clock.passes(9.9)
        sent = [bearer(live), bearer(SPACELESS), request(query=f"?token={live}"), bearer(token)]
        assert told(identify, *sent) == ["grace", "grace", "grace", "bearer"]
        assert asyncio.run(identify.identify(bearer(live))).request.headers["Authorization"] == f"Bearer {token}"
        clock.passes(0.1)
        assert told(identify, *sent) == ["refused", "refused", "refused", "bearer"]


class TestSession:
    @pytest.mark.parametrize("headers", [[], [("Authorization", "Bearer a b")], [("Authorization", "Basic x")]])
    def test_comes_before_any_header(self, make, headers):
        assert told(make()[0], request(headers, session={"logged_in": True})) == ["session"]

    @pytest.mark.parametrize("session", [{}, {"logged_in": False}, {"logged_in": None}, {"username": "ada"}])
    def test_of_nobody(self, make, session):
        assert told(make()[0], request(session=session)) == ["refused"]

    def test_a_guest_only_where_guests_are_asked_for(self, make):
        guest = request(session={"guest_mode": True})
        assert told(make(GUEST_MODE_ENABLED="on")[0], guest) == ["guest"]
        assert told(make()[0], guest) == ["refused"]
        assert "guest_mode" not in guest[SESSION_KEY]


class TestAsked:
    """`is_known`: for what anybody may ask, without a bcrypt."""

    def known(self, identify, one):
        return asyncio.run(identify.is_known(one))

    def test_who_is(self, make, live, token, asked):
        identify, _, _ = make()
        assert self.known(identify, bearer(live))
        assert self.known(identify, request(session={"logged_in": True}))
        for other in (request(), bearer(token), bearer(SPACELESS), bearer("a b"), request([("Authorization", "Basic x")])):
            assert not self.known(identify, other)
        assert asked == []

    def test_a_remembered_password(self, make):
        identify, _, _ = make()
        told(identify, bearer(SPACELESS))
        assert self.known(identify, bearer(SPACELESS))


class TestForm:
    """`attempt`, as the login page makes it: blanks in a password are good there."""

    def attempts(self, identify, *passwords):
        async def ask():
            return [await identify.attempt(request(), password.encode(), "form") for password in passwords]

        return asyncio.run(ask())

    def test_right_wrong_and_too_often(self, make):
        identify, tokens, seen = make()
        tokens.change(Credential(bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(), "ada"), 0)
        assert self.attempts(identify, "x", "y", PASSWORD) == [Attempt(False), Attempt(False), Attempt(True)]
        assert self.attempts(identify, "x", "y", "z", PASSWORD) == [*[Attempt(False)] * 3, Attempt(True)]
        assert seen.attempts == {"wrong": 5, "ok": 2}

    def test_what_can_be_none_counts_as_wrong(self, make):
        identify, _, _ = make()
        assert self.attempts(identify, "x" * 73, "", "a\0b", "x") == [*[Attempt(False)] * 3, Attempt(False, 20)]

    def test_behind_the_relay_all_are_one(self, make):
        identify, _, _ = make(EXPOSE_MODE="relay", MAX_LOGIN_ATTEMPTS="1")
        answers = self.attempts(identify, *[f"x{number}" for number in range(11)])
        assert answers == [*[Attempt(False)] * 10, Attempt(False, 6)]


def test_known_and_unknown_are_not_mixed_up():
    assert not isinstance(Unknown(), Known)
