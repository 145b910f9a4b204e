"""comfyui-auth guard: keeps ComfyUI shut where ComfyUI-Login does not, and reloads its credential without a restart.

It is a custom node like any other, and brings no node for workflows. docs/guard.md says what it does.
"""

import os
import sys

VERSION = "0.1.0"

NODE_CLASS_MAPPINGS: dict[str, object] = {}

# Where an open server is meant, by the operator's explicit word to the entrypoint.
if os.environ.get("COMFYUI_AUTH_OPEN") != "yes-i-know":
    # ComfyUI logs a node that fails to import, and serves without it: here that must be the end.
    try:
        from .install import install

        install(VERSION)
    except Exception as error:  # noqa: BLE001
        try:
            print(
                f"comfyui-auth guard: cannot be loaded: {type(error).__name__}: {error}. "
                "Remedy: install what ComfyUI-Login needs (its requirements.txt) for this Python",
                file=sys.stderr,
                flush=True,
            )
        finally:
            os._exit(78)
