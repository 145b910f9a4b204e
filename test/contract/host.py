"""Hosts the real ComfyUI-Login as ComfyUI would, without PyTorch.

    python host.py <ComfyUI folder> [ComfyUI's flags]

Prints "listening <port>" on stdout once it answers; the log goes to stderr. What ComfyUI itself does is
reduced to what the login node touches, and to the routes that the tests ask for.
"""

import argparse
import asyncio
import importlib.util
import logging
import os
import shutil
import signal
import sys
import traceback
import types
from collections import deque
from datetime import datetime
from urllib.parse import urlsplit

from aiohttp import web

parser = argparse.ArgumentParser()
parser.add_argument("comfyui_dir")
parser.add_argument("--listen", default="127.0.0.1")
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--enable-cors-header", nargs="?", const="*")
parser.add_argument("--base-directory")
parser.add_argument("--disable-all-custom-nodes", action="store_true")
parser.add_argument("--whitelist-custom-nodes", nargs="+", default=[])
parser.add_argument("--until-stdin-closes", action="store_true", help="end with the process that holds it open")
args = parser.parse_args()

COMFYUI_DIR = os.path.abspath(args.comfyui_dir)
BASE_DIR = os.path.abspath(args.base_directory) if args.base_directory else COMFYUI_DIR
USER_DIR = os.path.join(BASE_DIR, "user", "default")

log_ring = deque(maxlen=300)


class Ring(logging.Handler):
    def emit(self, record):
        log_ring.append(f"{datetime.now().isoformat()} - {record.getMessage()}\n")


logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
logging.getLogger().addHandler(Ring())


def module(name, **members):
    """Stands in for a module of ComfyUI, or for a package that the login itself does not use."""
    made = types.ModuleType(name)
    for key, value in members.items():
        setattr(made, key, value)
    sys.modules[name] = made
    return made


@web.middleware
async def cors(request, handler):
    response = web.Response() if request.method == "OPTIONS" else await handler(request)
    response.headers["Access-Control-Allow-Origin"] = args.enable_cors_header
    return response


@web.middleware
async def same_origin_only(request, handler):
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc.lower() != request.headers.get("Host", "").lower():
        return web.Response(status=403)
    return web.Response() if request.method == "OPTIONS" else await handler(request)


class PromptServer:
    def __init__(self):
        self.app = web.Application(middlewares=[cors if args.enable_cors_header else same_origin_only])
        self.routes = web.RouteTableDef()


prompt_server = PromptServer()
PromptServer.instance = prompt_server
routes = prompt_server.routes

module("server", PromptServer=PromptServer)
module("comfy")
module("comfy.cli_args", args=args)
module("folder_paths", __file__=os.path.join(COMFYUI_DIR, "folder_paths.py"))
# Needed by the node's image loader, which shares its package with the login.
module("torch")
module("numpy")
module("node_helpers")
module("PIL", Image=None, ImageOps=None, ImageSequence=None, ImageFile=None)
module("nodes", LoadImage=object)


def load_custom_node(path):
    """As ComfyUI does: whatever goes wrong is logged, and the server starts all the same."""
    try:
        name = path.replace(".", "_x_")
        spec = importlib.util.spec_from_file_location(name, os.path.join(path, "__init__.py"))
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[name] = loaded
        spec.loader.exec_module(loaded)
    except Exception as error:
        logging.warning(traceback.format_exc())
        logging.warning(f"Cannot import {path} module for custom nodes: {error}")


def load_custom_nodes():
    folder = os.path.join(BASE_DIR, "custom_nodes")
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        if name.endswith(".disabled"):
            continue
        if args.disable_all_custom_nodes and name not in args.whitelist_custom_nodes:
            continue
        load_custom_node(os.path.join(folder, name))


@routes.get("/")
async def root(request):
    return web.Response(text="<title>ComfyUI</title>", content_type="text/html")


@routes.get("/system_stats")
async def system_stats(request):
    return web.json_response({"system": {"comfyui_version": "0.3.64"}, "devices": []})


@routes.get("/queue")
async def queue(request):
    return web.json_response({"queue_running": [], "queue_pending": []})


@routes.get("/prompt")
async def prompt(request):
    return web.json_response({"exec_info": {"queue_remaining": 0}})


@routes.post("/prompt")
async def post_prompt(request):
    await request.json()
    return web.json_response({"error": {"type": "prompt_no_outputs"}, "node_errors": {}}, status=400)


@routes.get("/object_info/{node_class}")
async def object_info(request):
    return web.json_response({})


def userdata_path(request, key="file"):
    return os.path.join(USER_DIR, request.match_info[key])


@routes.get("/userdata/{file}")
async def get_userdata(request):
    path = userdata_path(request)
    return web.FileResponse(path) if os.path.exists(path) else web.Response(status=404)


@routes.post("/userdata/{file}")
async def post_userdata(request):
    os.makedirs(USER_DIR, exist_ok=True)
    with open(userdata_path(request), "wb") as file:
        file.write(await request.read())
    return web.json_response(request.match_info["file"])


@routes.delete("/userdata/{file}")
async def delete_userdata(request):
    os.remove(userdata_path(request))
    return web.Response(status=204)


@routes.post("/userdata/{file}/move/{dest}")
async def move_userdata(request):
    shutil.move(userdata_path(request), userdata_path(request, "dest"))
    return web.json_response(request.match_info["dest"])


async def internal_logs(request):
    return web.json_response("".join(log_ring))


def add_routes(app):
    """Every route twice, the second time below /api; /internal is an application of its own."""
    internal = web.Application()
    internal.add_routes([web.get("/logs", internal_logs)])
    app.add_subapp("/internal", internal)
    twins = [
        web.route(route.method, "/api" + route.path, route.handler, **route.kwargs)
        for route in routes
        if isinstance(route, web.RouteDef)
    ]
    app.add_routes(twins)
    app.add_routes(routes)


async def main():
    load_custom_nodes()
    add_routes(prompt_server.app)
    runner = web.AppRunner(prompt_server.app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, args.listen, args.port)
    await site.start()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stopped.set)
    if args.until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), stopped.set)
    print(f"listening {runner.addresses[0][1]}", flush=True)
    await stopped.wait()
    await runner.cleanup()


asyncio.run(main())
