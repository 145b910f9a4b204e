"""Keeps bearers out of the log: ComfyUI-Login prints its own at the start, and every session may read the log."""

import importlib
import re
import sys
from typing import Any

_BEARER = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


def scrub(text: str) -> str:
    """The text with nothing in it that is shaped like a bcrypt hash."""
    return _BEARER.sub("[bearer]", text) if "$2" in text else text


def scrub_streams() -> None:
    """All that is printed from now on, before it reaches stdout, stderr, the log's ring, or who follows it."""
    for stream in (sys.stdout, sys.stderr):
        _scrub_writes(stream)


def _scrub_writes(stream: Any) -> None:
    write = stream.write

    def write_scrubbed(data: str) -> object:
        return write(scrub(data) if isinstance(data, str) else data)

    try:
        stream.write = write_scrubbed
    except AttributeError:
        # Python's own stream, not ComfyUI's: then there is no ring either.
        pass


def scrub_ring() -> None:
    """What is in ComfyUI's ring of log lines already (app/logger.py: `{"t": time, "m": message}`)."""
    try:
        entries = importlib.import_module("app.logger").get_logs() or ()
    except (ImportError, AttributeError):
        return
    for entry in list(entries):
        if isinstance(entry, dict) and isinstance(entry.get("m"), str):
            entry["m"] = scrub(entry["m"])
