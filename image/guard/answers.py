"""What the guard answers by itself."""

import json as json_text

from aiohttp import web

_REALM = 'Bearer realm="ComfyUI"'


def json(body: dict[str, object], status: int, headers: dict[str, str] | None = None) -> web.Response:
    """JSON that nobody keeps."""
    text = json_text.dumps(body)
    return web.Response(
        text=text, status=status, content_type="application/json", headers={"Cache-Control": "no-store", **(headers or {})}
    )


def redirect(location: str) -> web.Response:
    """302, as the login node has it."""
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})


def wants_page(request: web.Request) -> bool:
    """Whether a browser asks for a page (password.py, check_login_status)."""
    return "text/html" in request.headers.get("Accept", "")


def refused(request: web.Request) -> web.Response:
    """The login node's words (RFC 6750 §3 wants the challenge)."""
    if wants_page(request):
        return redirect("/login")
    return json({"error": "Authentication required."}, 401, {"WWW-Authenticate": _REALM})


def malformed() -> web.Response:
    """RFC 6750 §3.1 names the error; the status is 401, since nobody was authenticated."""
    challenge = f'{_REALM}, error="invalid_request"'
    return json({"error": "Malformed Authorization header."}, 401, {"WWW-Authenticate": challenge})


def throttled(request: web.Request, wait: int) -> web.Response:
    """RFC 6585 §4."""
    words = f"Too many failed attempts. Try again in {wait} s."
    headers = {"Retry-After": str(wait), "Cache-Control": "no-store"}
    if wants_page(request):
        return web.Response(text=words, status=429, headers=headers)
    return json({"error": words}, 429, headers)


def closed() -> web.Response:
    """Only the operator can open again."""
    return json({"error": "The server has no credential, and lets nobody in."}, 503, {"Retry-After": "5"})


def forbidden() -> web.Response:
    """For guests, who may not see this."""
    return json({"error": "Not for guests."}, 403)


def wrong_method(allowed: str) -> web.Response:
    """405 with what is allowed."""
    return json({"error": "Method not allowed."}, 405, {"Allow": allowed})
