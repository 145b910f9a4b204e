"""Loads the guard as a package of that name, without a ComfyUI around it."""

import importlib.util
import random
import sys
import types
from pathlib import Path

import bcrypt
import pytest

GUARD = Path(__file__).resolve().parents[2] / "image" / "guard"


def load():
    # Where there is no server the guard is not put into anything.
    server = types.ModuleType("server")
    server.PromptServer = type("PromptServer", (), {})
    sys.modules["server"] = server
    spec = importlib.util.spec_from_file_location("guard", GUARD / "__init__.py", submodule_search_locations=[str(GUARD)])
    sys.modules["guard"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["guard"])


sys.dont_write_bytecode = True
load()

from asking import PASSWORD  # noqa: E402
from guard.credential import Credential  # noqa: E402
from guard.identify import Identify, Tokens  # noqa: E402
from guard.seen import Seen  # noqa: E402
from guard.settings import read_settings  # noqa: E402
from guard.throttle import Throttle  # noqa: E402


class Clock:
    """A time that passes only when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def chance():
    """The same at every run, so that it is green or red for a reason."""
    return random.Random(20_251_121)


@pytest.fixture
def token(chance):
    """A bearer by its shape; no password belongs to it."""
    alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    # bcrypt takes four characters alone as the last of the salt.
    return "$2b$10$" + "".join([*chance.choices(alphabet, k=21), "e", *chance.choices(alphabet, k=31)])


@pytest.fixture(scope="session")
def live():
    """The bearer that `PASSWORD` belongs to."""
    return bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def make(live, clock):
    """Makes what tells who a request comes from, with the settings that are given."""

    def made(**env):
        settings, tokens, seen = read_settings(env), Tokens(Credential(live, "ada")), Seen()
        throttle = Throttle(settings.max_attempts, only_in_all=settings.relay, clock=clock)
        return Identify(settings, tokens, throttle, seen), tokens, seen

    return made


@pytest.fixture
def asked(monkeypatch):
    """What bcrypt was asked."""
    calls, real = [], bcrypt.checkpw

    def checkpw(password, stored):
        calls.append(password)
        return real(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    return calls
