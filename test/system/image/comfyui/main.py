"""A small server in ComfyUI's place: it loads custom nodes, answers, and ends as ComfyUI does, and needs no PyTorch."""

import asyncio
import importlib.util
import logging
import os
import sys
import types

from app.logger import setup_logger
from comfy.cli_args import args

setup_logger(args.verbose)


def stand_in(name, **members):
    """What ComfyUI brings along and custom nodes import, where this Python has none of it."""
    if importlib.util.find_spec(name) is None:
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(members)


stand_in("torch")
stand_in("numpy")
stand_in("PIL", Image=None, ImageOps=None, ImageSequence=None, ImageFile=None)

import nodes  # noqa: E402
from server import PromptServer  # noqa: E402


async def load(server):
    # Where the outside says so, what was right a moment ago no longer is: nothing that was checked before can help.
    if os.environ.get("BREAK_BEFORE_LOADING"):
        exec(os.environ["BREAK_BEFORE_LOADING"], globals())
    nodes.load_custom_nodes()
    server.add_routes()


async def serve(server):
    await server.start()
    await server.prompt_queue.work()


# SIGINT is all that it handles: SIGTERM kills it, or does nothing where it is the first process.
# The nodes are loaded, and later served, by one and the same loop, which stands still in between.
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
try:
    prompt_server = PromptServer(loop)
    loop.run_until_complete(load(prompt_server))
    loop.run_until_complete(serve(prompt_server))
except KeyboardInterrupt:
    logging.info("\nStopped server")
