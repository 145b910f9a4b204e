"""What is shaped like a bearer reaches neither stream nor log ring."""

import io
import sys
import types

import pytest
from guard import scrub as module
from guard.scrub import scrub, scrub_ring, scrub_streams


@pytest.mark.parametrize("before", ["", "token=", "http://host/ws?token=", "'", "(", "é", "\n", "$", "$$", "$2b$10$", "x" * 5000])
@pytest.mark.parametrize("after", ["", "\n", "&clientId=1", "'", ".\n", ")", "é", "$2", " " * 5000])
def test_at_any_place(token, before, after):
    assert scrub(before + token + after) == before + "[bearer]" + after


@pytest.mark.parametrize("kind", ["$2a$", "$2b$", "$2y$"])
def test_every_kind(token, kind):
    assert scrub("token=" + kind + token[4:]) == "token=[bearer]"


def test_many_in_one(token):
    assert scrub(f"{token} and {token}\n" * 1000) == "[bearer] and [bearer]\n" * 1000
    assert scrub(token * 3) == "[bearer]" * 3


def test_nothing_else(token):
    for text in ["", "For $2 and more: $2b", "$2b$10$short", token[:-1], token.replace("$2b$", "$2x$"), token.replace("$", "S"), "é€\udcff"]:
        assert scrub(text) == text


def test_nothing_of_it_is_left_in_noise(token, chance):
    for _ in range(500):
        noise = ["".join(chance.choices("$2ab10/. \nxyz", k=chance.randrange(30))) for _ in range(4)]
        assert token not in scrub(token.join(noise))


def test_no_text_is_much_work():
    for text in ["$2b$10$" * 200_000, "$2b$10$" + "a" * 52 + "$2b$10$" * 100_000, "$2" * 500_000]:
        assert len(scrub(text)) <= len(text)


class Stream(io.StringIO):
    """Takes another `write`, as ComfyUI's own stream does."""


class Fixed(io.StringIO):
    """Takes none."""

    def __setattr__(self, name, value):
        raise AttributeError(name)


class TestStreams:
    # In the test itself: pytest puts its own streams in place before it.
    def scrubbed(self, monkeypatch, out, err):
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        scrub_streams()
        return out, err

    def test_both_are_scrubbed(self, monkeypatch, token):
        streams = self.scrubbed(monkeypatch, Stream(), Stream())
        print("out", token)
        print("err", token, file=sys.stderr)
        assert [stream.getvalue() for stream in streams] == ["out [bearer]\n", "err [bearer]\n"]

    def test_what_is_written_is_counted_as_before(self, monkeypatch):
        out, _ = self.scrubbed(monkeypatch, Stream(), Stream())
        assert out.write("four") == 4

    def test_a_stream_that_cannot_be_changed_stays_as_it_is(self, monkeypatch, token):
        out, err = self.scrubbed(monkeypatch, Fixed(), Stream())
        print("as ever")
        print(token, file=sys.stderr)
        assert [out.getvalue(), err.getvalue()] == ["as ever\n", "[bearer]\n"]


class TestRing:
    @pytest.fixture
    def ring(self, monkeypatch):
        def made(entries):
            logger = types.ModuleType("app.logger")
            logger.get_logs = lambda: entries
            monkeypatch.setitem(sys.modules, "app", types.ModuleType("app"))
            monkeypatch.setitem(sys.modules, "app.logger", logger)
            scrub_ring()
            return entries

        return made

    def test_what_is_in_it_already(self, ring, token):
        entries = [{"t": "now", "m": f"use token={token}\n"}, {"t": "now", "m": "fine"}]
        assert ring(entries) == [{"t": "now", "m": "use token=[bearer]\n"}, {"t": "now", "m": "fine"}]

    @pytest.mark.parametrize("entries", [None, [], ["text", 1, None, {}, {"m": None}, {"m": b"bytes"}]])
    def test_another_shape_is_left_alone(self, ring, entries):
        before = repr(entries)
        assert repr(ring(entries)) == before

    def test_without_comfyui_there_is_none(self):
        module.scrub_ring()
