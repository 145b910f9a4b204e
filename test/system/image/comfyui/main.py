"""A small server in ComfyUI's place: it loads custom nodes, answers, and ends as ComfyUI does, and needs no PyTorch."""

import asyncio
import importlib.util
import logging
import os
import sys
import types
from collections import deque
from datetime import datetime

from comfy.cli_args import args

log_ring = deque(maxlen=300)


class Ring(logging.Handler):
    def emit(self, record):
        log_ring.append(f"{datetime.now().isoformat()} - {record.getMessage()}\n")


logging.basicConfig(level=args.verbose, format="%(message)s", stream=sys.stderr)
logging.getLogger().addHandler(Ring())


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


async def run():
    server = PromptServer()
    # Where the outside says so, what was right a moment ago no longer is: nothing that was checked before can help.
    if os.environ.get("BREAK_BEFORE_LOADING"):
        exec(os.environ["BREAK_BEFORE_LOADING"], globals())
    nodes.load_custom_nodes()
    server.add_routes(log_ring)
    await server.start()
    await server.queue.work()


# SIGINT is all that it handles: SIGTERM kills it, or does nothing where it is the first process.
try:
    asyncio.run(run())
except KeyboardInterrupt:
    logging.info("\nStopped server")
