"""What is said on stdout and stderr goes on as it is, and into a ring that `/internal/logs` shows."""

import io
import logging
import sys
import threading
from collections import deque
from datetime import datetime

logs = None
stdout_interceptor = None
stderr_interceptor = None


class LogInterceptor(io.TextIOWrapper):
    def __init__(self, stream):
        super().__init__(stream.buffer, encoding=stream.encoding, line_buffering=stream.line_buffering)
        self._lock = threading.Lock()

    def write(self, data):
        with self._lock:
            # A progress bar writes itself anew over the line that it has begun.
            if data.startswith("\r") and logs and not logs[-1]["m"].endswith("\n"):
                logs.pop()
            logs.append({"t": datetime.now().isoformat(), "m": data})
        return super().write(data)


def get_logs():
    return logs


def setup_logger(log_level="INFO", capacity=300):
    """The handler keeps the stream that it finds: whatever is put in the place of sys.stderr later, it never sees."""
    global logs, stdout_interceptor, stderr_interceptor
    logs = deque(maxlen=capacity)
    stdout_interceptor = sys.stdout = LogInterceptor(sys.stdout)
    stderr_interceptor = sys.stderr = LogInterceptor(sys.stderr)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(log_level)
