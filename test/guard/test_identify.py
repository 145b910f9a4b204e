"""Who a request comes from: whatever it sends, nothing raises, and only what is valid comes in."""

import asyncio

import pytest
from aiohttp_session import SESSION_KEY
from asking import PASSWORD, bearer, request, told
from guard.identify import Known, Unknown


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
        assert told(make()[0], bearer(f"{PASSWORD} x")) == ["malformed"]
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

    @pytest.mark.parametrize("query", ["?token=", "?token", "?token=&token=x", "?other=x", f"?token={PASSWORD}"])
    def test_nothing_else(self, make, asked, query):
        assert told(make()[0], request(query=query)) == ["refused"]
        assert asked == []

    def test_can_be_switched_off(self, make, live):
        assert told(make(QUERY_TOKEN="off")[0], request(query=f"?token={live}")) == ["refused"]

    def test_beside_another_scheme_the_login_node_sees_the_bearer(self, make, live):
        who = asyncio.run(make()[0].identify(request([("Authorization", "Basic x")], f"?token={live}")))
        assert who.verdict == "token"
        assert who.request.headers.getall("Authorization") == [f"Bearer {live}"]


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
        for other in (request(), bearer(token), bearer(PASSWORD), bearer("a b"), request([("Authorization", "Basic x")])):
            assert not self.known(identify, other)
        assert asked == []

    def test_a_guest_is_told_no_more_than_anybody(self, make):
        assert not self.known(make(GUEST_MODE_ENABLED="on")[0], request(session={"guest_mode": True}))

    def test_no_password_for_whoever_guesses_could_ask_here(self, make):
        identify, _, _ = make()
        told(identify, bearer(PASSWORD))
        assert not self.known(identify, bearer(PASSWORD))


def test_known_and_unknown_are_not_mixed_up():
    assert not isinstance(Unknown(), Known)
