"""Puts the guard into ComfyUI's server, after all custom nodes are loaded and before any socket is bound."""

import asyncio
import importlib
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from aiohttp import web

from .credential import read_credential
from .faults import Unsafe, end
from .guard import NAME, Guard
from .identify import Identify, Tokens
from .login_form import LoginForm
from .login_node import LoginNode
from .metrics import Metrics
from .reload import Reload
from .scrub import scrub_ring, scrub_streams
from .seen import Seen
from .sessions import Sessions, new_key
from .settings import Settings, read_settings
from .throttle import Throttle


def install(version: str) -> None:
    """Called at the import; what it finds wrong then or later ends ComfyUI with 78."""
    server = getattr(importlib.import_module("server").PromptServer, "instance", None)
    if server is None:
        # Something else than ComfyUI's server imports its nodes.
        return
    scrub_streams()
    scrub_ring()
    server.app.on_startup.append(_starter(server, version))


def _starter(server: Any, version: str) -> Callable[[web.Application], Awaitable[None]]:
    async def comfyui_auth_guard_start(app: web.Application) -> None:
        # aiohttp awaits this in `AppRunner.setup`: an error here would only be one more in the log.
        try:
            scrub_ring()
            _start(server, app, version)
        except Unsafe as fault:
            _end(fault.what, fault.remedy)
        except Exception as error:  # noqa: BLE001
            _end(f"cannot start ({type(error).__name__}: {error})", "report it with the versions of ComfyUI and its nodes")

    return comfyui_auth_guard_start


def _start(server: Any, app: web.Application, version: str) -> None:
    settings = read_settings(os.environ)
    if any(getattr(it, "__name__", "") == NAME for it in app.middlewares):
        raise Unsafe("two guards are loaded", "remove one of their folders from custom_nodes")
    node = LoginNode(app.middlewares)
    path = node.path_of("password_path", os.path.join(_comfyui(), "login", "PASSWORD"))
    credential = read_credential(path)
    if node.token != credential.token:
        raise Unsafe("ComfyUI-Login has not loaded the token that PASSWORD holds", "start ComfyUI again")
    guest_path = node.path_of("guest_mode_path", os.path.join(os.path.dirname(path), "GUEST_MODE"))
    _check_guests(settings, guest_path)
    if node.can_change:
        # Else it reads the file by itself at the first login page, whatever it holds by then.
        node.change(credential)

    seen = Seen()
    tokens = Tokens(credential)
    throttle = Throttle(settings.max_attempts, only_in_all=settings.relay)
    identify = Identify(settings, tokens, throttle, seen)
    sessions = _take_sessions(settings, node, app)
    reload = Reload(settings, path, (node, sessions), (tokens, identify), seen)
    form = LoginForm(settings, identify, tokens, guest_path)
    metrics = Metrics(settings, seen, reload, server, version)
    guard = Guard(path, node, (identify, form, reload, metrics), seen, version)
    app.middlewares[app.middlewares.index(node.check)] = guard.middleware()
    _hear_signal(reload)
    seen.event("guard-ready", version=version, reload=reload.is_supported)


def _comfyui() -> str:
    """The login node's own rule, whatever `--base-directory` says."""
    return os.path.dirname(os.path.abspath(importlib.import_module("folder_paths").__file__ or ""))


def _check_guests(settings: Settings, path: str) -> None:
    if os.path.exists(path) and not settings.guests:
        raise Unsafe(f"{path} lets guests in, and GUEST_MODE_ENABLED does not ask for it", f"remove {path}")
    if settings.guests and not os.path.exists(path):
        raise Unsafe(f"GUEST_MODE_ENABLED asks for guests, and {path} is missing", f"make an empty file {path}")


def _take_sessions(settings: Settings, node: LoginNode, app: web.Application) -> Sessions | None:
    sessions = Sessions(node.session_key or new_key(), settings.session_seconds)
    return sessions if sessions.take_place(app.middlewares, app.middlewares.index(node.check)) else None


def _hear_signal(reload: Reload) -> None:
    """SIGHUP reloads, where there is such a signal and this is the thread that gets it."""
    if not hasattr(signal, "SIGHUP"):
        return
    running: set[asyncio.Task[object]] = set()

    def on_signal() -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(reload.reload("signal"))
        running.add(task)
        task.add_done_callback(running.discard)

    try:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_signal)
    except (NotImplementedError, RuntimeError, ValueError):
        pass


def _end(what: str, remedy: str) -> NoReturn:
    end(f"comfyui-auth guard: {what}. Remedy: {remedy}")
