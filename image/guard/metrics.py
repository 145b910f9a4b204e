"""`GET /metrics`, for Prometheus."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from . import answers
from .identify import sends_bearer
from .reload import Reload
from .seen import Sample, Seen, counts, gpu_samples, metric
from .settings import Settings

_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What the guard has counted, and what ComfyUI says of its queue and its memory."""

    def __init__(self, settings: Settings, seen: Seen, reload: Reload, server: Any, version: str) -> None:
        self._own = settings.metrics_token
        self._seen = seen
        self._reload = reload
        self._server = server
        self._version = version

    def has_own_token(self, request: web.Request) -> bool:
        """Whether the request has the token that is good for this alone."""
        return self._own is not None and sends_bearer(request, self._own)

    async def answer(self, request: web.Request) -> web.Response:
        """Prometheus' text format 0.0.4."""
        if request.method not in ("GET", "HEAD"):
            return answers.wrong_method("GET, HEAD")
        seen = self._seen
        changed_at = self._reload.changed_at
        age: list[Sample] = [] if changed_at is None else [({}, max(0.0, time.time() - changed_at))]
        parts = [
            metric("comfyui_auth_guard_info", "gauge", "The guard's version.", [({"version": self._version}, 1)]),
            metric("comfyui_auth_requests_total", "counter", "By what was said to them.", counts(seen.requests, "verdict")),
            metric("comfyui_auth_login_attempts_total", "counter", "Passwords.", counts(seen.attempts, "result")),
            metric("comfyui_auth_reloads_total", "counter", "Of the credential.", counts(seen.reloads, "result")),
            metric("comfyui_auth_credential_age_seconds", "gauge", "Since PASSWORD was written.", age),
            metric("comfyui_queue_remaining", "gauge", "Prompts that run or wait.", self._queue()),
            metric("comfyui_gpu_memory_bytes", "gauge", "As /system_stats has it.", await self._gpu(request)),
        ]
        return web.Response(body="".join(parts).encode(), headers={"Content-Type": _TYPE, "Cache-Control": "no-store"})

    def _queue(self) -> list[Sample]:
        try:
            return [({}, float(self._server.prompt_queue.get_tasks_remaining()))]
        except (AttributeError, TypeError, ValueError):
            return []

    async def _gpu(self, request: web.Request) -> list[Sample]:
        handler = self._system_stats()
        if handler is None:
            return []
        try:
            response = await handler(request)
            return gpu_samples(json.loads(response.body))
        except Exception:  # noqa: BLE001 - whatever ComfyUI raises there, the other figures are still good
            return []

    def _system_stats(self) -> Callable[[web.Request], Awaitable[Any]] | None:
        for route in self._server.routes:
            if isinstance(route, web.RouteDef) and (route.method, route.path) == ("GET", "/system_stats"):
                return route.handler
        return None
