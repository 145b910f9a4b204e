"""Passwords are asked of bcrypt once, and remembered without being kept."""

import asyncio
import threading

import bcrypt
import pytest
from guard.passwords import Passwords, may_be_password

PASSWORD = b"correct horse"
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture(scope="module")
def fitting():
    return bcrypt.hashpw(PASSWORD, bcrypt.gensalt(4)).decode()


def test_fits_or_not(fitting):
    async def ask():
        passwords = Passwords()
        return [await passwords.fits(HERE, password, fitting) for password in (PASSWORD, b"wrong")]

    assert asyncio.run(ask()) == [True, False]


def test_what_only_looks_like_a_hash_fits_nothing():
    # The last character of the salt has bits that bcrypt wants to be none.
    async def ask():
        return await Passwords().fits(HERE, PASSWORD, "$2b$04$" + "a" * 53)

    assert asyncio.run(ask()) is False


def test_computed_once_for_all_who_ask_at_a_time(fitting, asked):
    async def ask():
        passwords = Passwords()
        return await asyncio.gather(*(passwords.fits(HERE, PASSWORD, fitting) for _ in range(50)))

    assert asyncio.run(ask()) == [True] * 50
    assert asked == [PASSWORD]


def test_computed_beside_the_event_loop(fitting, monkeypatch):
    threads = []
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_: threads.append(threading.current_thread()) or True)
    assert asyncio.run(Passwords().fits(HERE, PASSWORD, fitting))
    assert threads
    assert threading.main_thread() not in threads


def test_one_who_goes_away_takes_the_answer_from_nobody(fitting):
    async def ask():
        passwords = Passwords()
        first = asyncio.create_task(passwords.fits(HERE, PASSWORD, fitting))
        second = asyncio.create_task(passwords.fits(HERE, PASSWORD, fitting))
        await asyncio.sleep(0)
        assert passwords.is_checking(HERE, PASSWORD, fitting)
        first.cancel()
        return await second, passwords.is_checking(HERE, PASSWORD, fitting), passwords._running

    assert asyncio.run(ask()) == (True, False, {})


def test_what_was_asked_is_not_kept(fitting):
    async def ask():
        passwords = Passwords()
        for number in range(20):
            await passwords.fits(HERE, f"wrong {number}".encode(), fitting)
        return passwords

    passwords = asyncio.run(ask())
    assert (passwords._running, passwords._fitting) == ({}, {})


def test_remembered_by_a_digest(fitting):
    passwords = Passwords()
    assert passwords.recall(HERE, PASSWORD) is None
    passwords.remember(HERE, PASSWORD, fitting)
    assert passwords.recall(HERE, PASSWORD) == fitting
    assert passwords.recall(HERE, PASSWORD + b" ") is None
    # Who only guesses it from somewhere else is asked by bcrypt, too.
    assert passwords.recall(THERE, PASSWORD) is None
    assert PASSWORD.decode() not in repr(vars(passwords))
    assert Passwords()._digest(HERE, PASSWORD) not in passwords._fitting


def test_forgotten_but_for_what_holds_on(fitting, token):
    passwords = Passwords()
    for but in (None, "another"):
        passwords.remember(HERE, PASSWORD, fitting)
        passwords.forget(but)
        assert passwords.recall(HERE, PASSWORD) is None
    passwords.remember(HERE, PASSWORD, fitting)
    passwords.remember(HERE, b"the one before", token)
    passwords.forget(token)
    assert [passwords.recall(HERE, PASSWORD), passwords.recall(HERE, b"the one before")] == [None, token]


def test_remembered_for_a_bounded_number_of_addresses(fitting):
    passwords = Passwords()
    for number in range(5000):
        passwords.remember(str(number), PASSWORD, fitting)
        passwords.recall("0", PASSWORD)
    assert len(passwords._fitting) == 4096
    assert [passwords.recall(address, PASSWORD) for address in ("0", "1", "4999")] == [fitting, None, fitting]


def test_no_more_than_two_are_ever_in_the_pool(fitting):
    async def ask():
        passwords = Passwords()
        asking = [asyncio.create_task(passwords.fits(HERE, f"wrong {number}".encode(), fitting)) for number in range(10)]
        await asyncio.sleep(0)
        assert passwords.is_busy
        while not all(task.done() for task in asking):
            assert passwords._pool._work_queue.qsize() <= 2
            await asyncio.sleep(0)
        return passwords.is_busy

    assert asyncio.run(ask()) is False


@pytest.mark.parametrize("value", [b"x", b"x" * 72, "Zoë".encode(), b"\xff\xfe", b"$2b$10$", b" "])
def test_may_be_one(value):
    assert may_be_password(value)


@pytest.mark.parametrize("value", [b"", b"x" * 73, b"a\0b", b"\0", b"$2b$10$" + b"a" * 53, b"$2a$04$" + b"." * 53])
def test_is_none(value):
    assert not may_be_password(value)
