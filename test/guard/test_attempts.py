"""A password in the place of a bearer, and in the form; what a rotation makes of it."""

import asyncio

import bcrypt
from asking import PASSWORD, bearer, request, told
from guard.credential import Credential
from guard.identify import Attempt, Unknown

WITH_BLANKS = "correct horse battery"
RIGHT, WRONG = Attempt("password"), Attempt(None)


class TestPassword:
    def test_comes_in_and_is_asked_of_bcrypt_once(self, make, live, asked):
        identify, _, seen = make(MAX_LOGIN_ATTEMPTS="1")
        assert told(identify, *[bearer(PASSWORD) for _ in range(100)]) == ["password"] * 100
        assert asked == [PASSWORD.encode()]
        assert seen.attempts["ok"] == 1
        who = asyncio.run(identify.identify(bearer(PASSWORD)))
        assert who.request.headers["Authorization"] == f"Bearer {live}"

    def test_can_be_switched_off(self, make, asked):
        assert told(make(BEARER_PASSWORD="off")[0], bearer(PASSWORD)) == ["refused"]
        assert asked == []

    def test_a_wrong_one_until_the_limit_which_is_before_bcrypt(self, make, asked, clock):
        identify, _, _ = make()
        assert told(identify, *[bearer(f"wrong-{number}") for number in range(5)]) == ["refused"] * 3 + ["throttled"] * 2
        assert len(asked) == 3
        assert asyncio.run(identify.identify(bearer("wrong"))) == Unknown("throttled", 20)
        clock.passes(20)
        assert told(identify, bearer("wrong"), bearer(PASSWORD)) == ["refused", "throttled"]

    def test_the_limit_is_none_for_who_has_the_bearer(self, make, live):
        identify, _, _ = make()
        # Remembered or not: whoever guesses must not be told by it.
        assert told(identify, bearer(PASSWORD)) == ["password"]
        told(identify, *[bearer(f"wrong-{number}") for number in range(5)])
        assert told(identify, bearer("wrong"), bearer(PASSWORD), bearer(live)) == ["throttled", "throttled", "bearer"]

    def test_the_limit_in_all_is_none_for_an_address_that_is_remembered(self, make, monkeypatch):
        identify, _, _ = make(MAX_LOGIN_ATTEMPTS="1")
        address = "here"
        monkeypatch.setattr(identify, "address_of", lambda _: address)
        assert told(identify, bearer(PASSWORD)) == ["password"]
        for number in range(10):
            address = f"there {number}"
            assert told(identify, bearer(f"wrong-{number}")) == ["refused"]
        address = "elsewhere"
        assert told(identify, bearer(PASSWORD)) == ["throttled"]
        address = "here"
        assert told(identify, bearer(PASSWORD)) == ["password"]

    def test_of_one_wrong_password_at_a_time_one_is_counted(self, make, asked, capsys):
        identify, _, seen = make()

        async def ask():
            return await asyncio.gather(*(identify.identify(bearer("wrong")) for _ in range(100)))

        assert asyncio.run(ask()) == [Unknown()] * 100
        assert (len(asked), seen.attempts["wrong"], capsys.readouterr().out.count("login-refused")) == (1, 1, 1)

    def test_too_many_at_a_time_are_asked_to_come_again(self, make):
        identify, _, _ = make(MAX_LOGIN_ATTEMPTS="1000")

        async def ask():
            return await asyncio.gather(*(identify.identify(bearer(f"wrong-{number}")) for number in range(30)))

        answers = asyncio.run(ask())
        assert answers == [Unknown()] * 10 + [Unknown("throttled", 1)] * 20

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
        assert told(identify, bearer(PASSWORD)) == ["refused"]


class TestRotation:
    def test_the_old_bearer_and_its_password_are_over(self, make, live, token):
        identify, tokens, _ = make()
        assert told(identify, bearer(PASSWORD)) == ["password"]
        tokens.change(Credential(token, "ada"), 0)
        identify.forget()
        assert told(identify, bearer(live), bearer(PASSWORD), bearer(token)) == ["refused", "refused", "bearer"]
        assert told(identify, request(query=f"?token={live}")) == ["refused"]

    def test_in_the_grace_both_hold_and_then_one(self, make, live, token, monkeypatch, clock):
        monkeypatch.setattr("guard.identify.time.monotonic", clock)
        identify, tokens, _ = make()
        told(identify, bearer(PASSWORD))
        tokens.change(Credential(token, "ada"), 10)
        identify.forget()
        clock.passes(9.9)
        sent = [bearer(live), bearer(PASSWORD), request(query=f"?token={live}"), bearer(token)]
        assert told(identify, *sent) == ["grace", "grace", "grace", "bearer"]
        assert asyncio.run(identify.identify(bearer(live))).request.headers["Authorization"] == f"Bearer {token}"
        clock.passes(0.1)
        assert told(identify, *sent) == ["refused", "refused", "refused", "bearer"]


class TestForm:
    """`attempt`, as the login page makes it: blanks in a password are good there."""

    def attempts(self, identify, *passwords):
        async def ask():
            return [await identify.attempt(request(), password.encode(), "form") for password in passwords]

        return asyncio.run(ask())

    def test_right_wrong_and_too_often(self, make):
        identify, tokens, seen = make()
        tokens.change(Credential(bcrypt.hashpw(WITH_BLANKS.encode(), bcrypt.gensalt(4)).decode(), "ada"), 0)
        assert self.attempts(identify, "x", "y", WITH_BLANKS) == [WRONG, WRONG, RIGHT]
        assert self.attempts(identify, "x", "y", "z", WITH_BLANKS) == [WRONG, WRONG, WRONG, Attempt(None, 20)]
        assert seen.attempts == {"wrong": 5, "ok": 1, "throttled": 1}

    def test_what_can_be_none_counts_as_wrong(self, make):
        identify, _, _ = make()
        assert self.attempts(identify, "x" * 73, "", "a\0b", "x") == [WRONG, WRONG, WRONG, Attempt(None, 20)]

    def test_behind_the_relay_all_are_one(self, make):
        identify, _, _ = make(EXPOSE_MODE="relay", MAX_LOGIN_ATTEMPTS="1")
        answers = self.attempts(identify, *[f"x{number}" for number in range(11)])
        assert answers == [*[WRONG] * 10, Attempt(None, 6)]
