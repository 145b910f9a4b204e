"""What the guard takes for a login node that guards, and what it changes in it."""

import os
import stat
import sys
import types
from datetime import datetime

import pytest
from aiohttp_session import SimpleCookieStorage, session_middleware
from cryptography.fernet import Fernet
from guard.credential import Credential
from guard.faults import Unsafe
from guard.login_node import LoginNode
from guard.sessions import Sessions, new_key

SOURCE = """
TOKEN = "a token"
user_cache = {}
secret_key = "a key"

async def check_login_status(request, handler):
    return TOKEN
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A login node's module as ComfyUI loads it: its name is a path."""
    made = types.ModuleType(str(tmp_path / "ComfyUI-Login") + ".password")
    made.__file__ = str(tmp_path / "password.py")
    exec(SOURCE, vars(made))
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


async def another(request, handler):
    return await handler(request)


class TestLoaded:
    def test_wherever_it_stands(self, module):
        assert LoginNode([another, module.check_login_status, another]).check is module.check_login_status

    @pytest.mark.parametrize("middlewares", [[], [another], [object(), None, 3]])
    def test_no_middleware(self, middlewares):
        with pytest.raises(Unsafe, match="not loaded"):
            LoginNode(middlewares)

    def test_its_import_failed_after_it(self, module):
        del sys.modules[module.__name__]
        with pytest.raises(Unsafe, match="half-way"):
            LoginNode([module.check_login_status])

    def test_another_module_has_its_name(self, module):
        sys.modules[module.__name__] = types.ModuleType(module.__name__)
        with pytest.raises(Unsafe, match="half-way"):
            LoginNode([module.check_login_status])

    def test_what_has_the_name_alone(self):
        class Imitation:
            __name__ = "check_login_status"

        with pytest.raises(Unsafe):
            LoginNode([Imitation()])


class TestInside:
    @pytest.mark.parametrize(("given", "token"), [("x", "x"), ("", ""), (None, ""), (b"x", ""), (3, "")])
    def test_token(self, module, given, token):
        module.TOKEN = given
        assert LoginNode([module.check_login_status]).token == token

    def test_without_any(self, module):
        del module.TOKEN, module.user_cache, module.secret_key
        node = LoginNode([module.check_login_status])
        assert (node.token, node.can_change, node.session_key) == ("", False, None)

    @pytest.mark.parametrize("value", [None, []])
    def test_another_inside_is_not_changed_while_it_runs(self, module, value):
        module.user_cache = value
        assert not LoginNode([module.check_login_status]).can_change

    def test_nor_are_two_of_them(self, module):
        assert LoginNode([module.check_login_status]).can_change
        assert not LoginNode([module.check_login_status] * 2).can_change

    def test_a_change_is_seen_by_the_module_itself(self, module, token):
        cache = module.user_cache
        LoginNode([module.check_login_status]).change(Credential(token, "ada"))
        assert module.TOKEN == token
        assert cache == {"username": "ada", "password": token.encode()}

    def test_paths(self, module):
        module.password_path = "/a/PASSWORD"
        module.guest_mode_path = None
        node = LoginNode([module.check_login_status])
        assert node.path_of("password_path", "/other") == "/a/PASSWORD"
        assert node.path_of("guest_mode_path", "/other") == "/other"
        assert node.path_of("absent", "/other") == "/other"


class TestKey:
    def test_written_as_the_login_node_reads_it_and_for_nobody_else(self, module, tmp_path):
        path, key = tmp_path / ".secret-key.txt", new_key()
        path.write_text("old")
        path.chmod(0o644)
        LoginNode([module.check_login_status]).keep_session_key(key)
        found, when = path.read_text().split(",")
        assert found == key
        assert abs((datetime.now() - datetime.fromisoformat(when)).total_seconds()) < 60
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.listdir(tmp_path) == [path.name]

    def test_where_the_module_keeps_it(self, module, tmp_path):
        module.secret_key_path = str(tmp_path / "elsewhere")
        LoginNode([module.check_login_status]).keep_session_key("k")
        assert (tmp_path / "elsewhere").read_text().startswith("k,")

    def test_where_it_cannot_be_nothing_is_left_behind(self, module, tmp_path):
        (tmp_path / ".secret-key.txt" / "full").mkdir(parents=True)
        with pytest.raises(OSError):
            LoginNode([module.check_login_status]).keep_session_key("k")
        assert os.listdir(tmp_path) == [".secret-key.txt"]


class TestSessions:
    def test_takes_the_place_of_its_middleware_and_of_no_other(self):
        theirs = session_middleware(SimpleCookieStorage())
        middlewares = [another, theirs, another]
        assert Sessions(new_key(), 60).take_place(middlewares, len(middlewares))
        assert middlewares[0] is middlewares[2] is another
        assert middlewares[1] is not theirs

    def test_of_several_the_one_that_the_login_node_sees(self):
        first, seen, behind = (session_middleware(SimpleCookieStorage()) for _ in range(3))
        middlewares = [first, seen, another, behind]
        assert Sessions(new_key(), 60).take_place(middlewares, 2)
        assert middlewares[0] is first
        assert middlewares[1] is not seen
        assert middlewares[3] is behind

    def test_where_there_is_none(self):
        middlewares = [another, None]
        assert not Sessions(new_key(), 60).take_place(middlewares, len(middlewares))
        assert middlewares == [another, None]

    def test_keys_are_new_and_such_as_the_login_node_takes(self):
        keys = {new_key() for _ in range(100)}
        assert len(keys) == 100
        for key in keys:
            Fernet(key)
