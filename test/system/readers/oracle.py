"""Reads JSON lines {"text"} (base64) and answers each with what python-dotenv gives."""
import base64
import io
import json
import logging
import os
import sys

from dotenv import dotenv_values

logging.disable(logging.CRITICAL)
os.environ.clear()


def decode(data: str) -> str:
    # The text mode of open(): all line ends become a line feed.
    raw = io.BytesIO(base64.b64decode(data))
    return io.TextIOWrapper(raw, encoding="utf-8", newline=None).read()


def encode(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


for line in sys.stdin:
    values = dotenv_values(stream=io.StringIO(decode(json.loads(line)["text"]), newline=""))
    known = {encode(key): encode(value) for key, value in values.items() if value is not None}
    sys.stdout.write(json.dumps({"ok": True, "values": known}) + "\n")
