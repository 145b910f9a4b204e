"""Token buckets, with a clock that stands still until it is told to move."""

import math

import pytest
from guard import throttle as module
from guard.throttle import Throttle


@pytest.fixture
def make(clock):
    def made(attempts, only_in_all=False):
        return Throttle(attempts, only_in_all=only_in_all, clock=clock)

    return made


def drawn(throttle, address, most=100_000):
    """How many attempts are let through before it says wait."""
    return next(count for count in range(most) if throttle.draw(address) > 0)


@pytest.mark.parametrize("attempts", [1, 3, 7, 1000])
def test_capacity(make, attempts):
    assert drawn(make(attempts), "a") == attempts


def test_addresses_do_not_share(make):
    throttle = make(3)
    assert [drawn(throttle, name) for name in "abc"] == [3, 3, 3]


def test_in_all_ten_times_as_many(make):
    throttle = make(3)
    assert sum(drawn(throttle, str(number)) for number in range(50)) == 30
    assert throttle.wait("never seen") > 0


def test_a_refusal_takes_none(make, clock):
    throttle = make(3)
    drawn(throttle, "a")
    before = throttle.wait("a")
    for _ in range(100):
        assert throttle.draw("a") == before
    clock.passes(before)
    assert throttle.draw("a") == 0


@pytest.mark.parametrize("attempts", [1, 2, 3, 7, 30, 59, 60, 61, 1000])
def test_one_more_each_60_through_n_seconds(make, clock, attempts):
    throttle = make(attempts)
    drawn(throttle, "a")
    wait = throttle.wait("a")
    assert wait == math.ceil(60 / attempts)
    clock.passes(60 / attempts / 2)
    assert throttle.draw("a") > 0
    clock.passes(wait)
    assert throttle.draw("a") == 0


def test_after_a_minute_all_of_them_and_no_more(make, clock):
    throttle = make(3)
    drawn(throttle, "a")
    clock.passes(60)
    assert drawn(throttle, "a") == 3
    clock.passes(86_400)
    assert drawn(throttle, "a") == 3


def test_a_steady_guesser_gets_no_more_than_is_promised(make, clock):
    throttle = make(3)
    through = 0
    for _ in range(3600):
        clock.passes(1)
        through += throttle.draw("a") == 0
    assert through <= 3 + 3 * 60


def test_a_success_resets_the_address(make):
    throttle = make(3)
    for _ in range(2):
        throttle.draw("a")
    throttle.draw("a")
    throttle.succeeded("a")
    assert drawn(throttle, "a") == 3


def test_a_success_counts_for_nobody_else(make):
    throttle = make(3)
    drawn(throttle, "b")
    throttle.draw("a")
    throttle.succeeded("a")
    assert throttle.wait("b") > 0


def test_who_knows_the_password_uses_up_nothing(make):
    throttle = make(1)
    for _ in range(1000):
        assert throttle.draw("a") == 0
        throttle.succeeded("a")
    assert sum(drawn(throttle, str(number)) for number in range(50)) == 10


def test_successes_make_no_more_than_there_are(make):
    throttle = make(1)
    for _ in range(1000):
        throttle.succeeded("a")
    assert sum(drawn(throttle, str(number)) for number in range(50)) == 10


def test_the_limit_in_all_can_be_left_out(make):
    throttle = make(1)
    for number in range(20):
        throttle.draw(str(number))
    assert throttle.draw("a") > 0
    assert throttle.draw("a", in_all=False) == 0
    assert throttle.draw("a", in_all=False) > 0
    assert throttle.wait("b", in_all=False) == 0


@pytest.mark.parametrize("in_all", [True, False])
def test_given_back(make, in_all):
    throttle = make(1)
    for _ in range(100):
        assert throttle.draw("a", in_all=in_all) == 0
        throttle.give_back("a", in_all=in_all)
    for _ in range(100):
        throttle.give_back("a", in_all=in_all)
    assert drawn(throttle, "a") == 1
    assert sum(drawn(throttle, str(number)) for number in range(50)) == 9


def test_behind_the_relay_one_limit_for_all(make, clock):
    throttle = make(3, only_in_all=True)
    assert drawn(throttle, "relay") == 30
    clock.passes(2)
    assert throttle.draw("relay") == 0
    assert throttle.draw("relay") > 0


def test_memory_is_bounded_and_the_limit_in_all_still_holds(make, monkeypatch):
    monkeypatch.setattr(module, "_MOST_ADDRESSES", 10)
    throttle = make(3)
    assert sum(throttle.draw(str(number)) == 0 for number in range(1000)) == 30
    assert len(throttle._addresses) <= 10


def test_who_is_held_back_is_not_forgotten_for_newcomers_that_are_fewer(make, monkeypatch):
    monkeypatch.setattr(module, "_MOST_ADDRESSES", 10)
    throttle = make(3)
    drawn(throttle, "a")
    for number in range(9):
        throttle.wait(str(number))
        assert throttle.wait("a") > 0


def test_a_clock_that_does_not_move_gives_nothing(make):
    throttle = make(3)
    drawn(throttle, "a")
    assert {throttle.wait("a") for _ in range(100)} == {20}
