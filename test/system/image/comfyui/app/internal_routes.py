"""/internal: an application of its own, below the one that everything else belongs to."""

from aiohttp import web

import app.logger


async def logs(request):
    return web.json_response("".join(entry["t"] + " - " + entry["m"] for entry in app.logger.get_logs()))


async def raw_logs(request):
    return web.json_response({"entries": list(app.logger.get_logs()), "size": {"cols": 80, "rows": 24}})


def internal_app():
    internal = web.Application()
    internal.add_routes([web.get("/logs", logs), web.get("/logs/raw", raw_logs)])
    return internal
