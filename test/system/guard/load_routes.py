"""A custom node's routes that stream, as long uploads, downloads and sockets do; they say how far they are."""

import asyncio
import hashlib
from collections import defaultdict

from aiohttp import WSMsgType, web
from server import PromptServer

routes = PromptServer.instance.routes
begun = defaultdict(asyncio.Event)
released = defaultdict(asyncio.Event)

NODE_CLASS_MAPPINGS = {}


@routes.post("/load/upload/{name}")
async def upload(request):
    digest = hashlib.sha256()
    async for chunk in request.content.iter_any():
        begun[request.match_info["name"]].set()
        digest.update(chunk)
    return web.Response(text=digest.hexdigest())


@routes.get("/load/begun/{name}")
async def has_begun(request):
    """Answers once the first byte of an upload has arrived."""
    await begun[request.match_info["name"]].wait()
    return web.Response()


@routes.get("/load/download/{name}")
async def download(request):
    """The first half at once, the second once it is asked for."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first")
    await released[request.match_info["name"]].wait()
    await response.write(b"second")
    return response


@routes.post("/load/release/{name}")
async def release(request):
    released[request.match_info["name"]].set()
    return web.Response()


@routes.get("/load/echo")
async def echo(request):
    socket = web.WebSocketResponse(max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket
