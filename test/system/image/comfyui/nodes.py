"""Loads custom nodes as ComfyUI does: whatever goes wrong is logged, and the server starts all the same."""

import importlib.util
import logging
import os
import sys
import time
import traceback

import folder_paths
from comfy.cli_args import args

# What a node has for the browser, by the name of the node.
EXTENSION_WEB_DIRS = {}


class LoadImage:
    """Stands for the node that others derive from."""


def load_custom_node(path):
    try:
        is_file = os.path.isfile(path)
        source = path if is_file else os.path.join(path, "__init__.py")
        name = os.path.splitext(path)[0] if is_file else path.replace(".", "_x_")
        spec = importlib.util.spec_from_file_location(name, source)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        web = getattr(module, "WEB_DIRECTORY", None)
        if web is not None and os.path.isdir(os.path.join(path, web)):
            EXTENSION_WEB_DIRS[os.path.basename(path)] = os.path.abspath(os.path.join(path, web))
        if getattr(module, "NODE_CLASS_MAPPINGS", None) is None:
            logging.warning("Skip %s module for custom nodes due to the lack of NODE_CLASS_MAPPINGS.", path)
            return False
        return True
    except Exception as error:
        logging.warning(traceback.format_exc())
        logging.warning("Cannot import %s module for custom nodes: %s", path, error)
        return False


def _wanted(folder, name):
    path = os.path.join(folder, name)
    if name == "__pycache__" or name.endswith(".disabled") or (os.path.isfile(path) and not name.endswith(".py")):
        return False
    return not args.disable_all_custom_nodes or name in args.whitelist_custom_nodes


def _names(folder):
    """In the order in which the system names them, which is no order; NODES_FIRST, by commas, is one that a test wants."""
    first = os.environ.get("NODES_FIRST", "").split(",")
    names = os.listdir(os.path.realpath(folder))
    return sorted(names, key=lambda name: first.index(name) if name in first else len(first))


def load_custom_nodes():
    times = []
    for folder in filter(os.path.isdir, folder_paths.custom_nodes):
        for name in _names(folder):
            if not _wanted(folder, name):
                continue
            path = os.path.join(folder, name)
            began = time.perf_counter()
            failed = "" if load_custom_node(path) else " (IMPORT FAILED)"
            times.append((time.perf_counter() - began, failed, path))
    logging.info("\nImport times for custom nodes:")
    for seconds, failed, path in sorted(times):
        logging.info("%6.1f seconds%s: %s", seconds, failed, path)
