"""What is to be seen from outside: counts for Prometheus, and events as lines of JSON. Never a secret."""

import json
import sys
import time
from collections import Counter
from datetime import datetime, timezone
from typing import Any

_REMEMBER_SECONDS = 60.0
_MOST_REMEMBERED = 1000


class Seen:
    """Counts what happened, and says it."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.reloads: Counter[str] = Counter()
        self._throttled: dict[str, float] = {}

    def event(self, name: str, **facts: object) -> None:
        """One line of JSON on stdout."""
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        try:
            print(json.dumps({"source": "guard", "event": name, "at": at, **facts}), file=sys.stdout, flush=True)
        except (OSError, ValueError):
            # A log that is full or closed must not change what is answered.
            pass

    def refused(self, address: str, how: str, reason: str) -> None:
        """A login was refused."""
        self.attempts["malformed" if reason == "malformed" else "wrong"] += 1
        self.event("login-refused", address=address, how=how, reason=reason)

    def throttled(self, address: str, wait: int) -> None:
        """A login was not even looked at; said once in a minute for an address, since there may be thousands."""
        self.attempts["throttled"] += 1
        now = time.monotonic()
        if now - self._throttled.get(address, -_REMEMBER_SECONDS) < _REMEMBER_SECONDS:
            return
        if len(self._throttled) >= _MOST_REMEMBERED:
            since = now - _REMEMBER_SECONDS
            self._throttled = {who: at for who, at in self._throttled.items() if at > since}
        # So many addresses in one minute are one attack, and no news.
        if len(self._throttled) >= _MOST_REMEMBERED:
            return
        self._throttled[address] = now
        self.event("login-throttled", address=address, retryAfter=wait)


Sample = tuple[dict[str, str], float]


def metric(name: str, kind: str, words: str, samples: list[Sample]) -> str:
    """One metric in Prometheus' text format 0.0.4."""
    lines = [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
    return "\n".join(lines + [f"{name}{_labels(labels)} {value:.15g}" for labels, value in samples]) + "\n"


def counts(counter: Counter[str], label: str) -> list[Sample]:
    """A counter's samples, in a steady order."""
    return [({label: name}, float(number)) for name, number in sorted(counter.items())]


def _labels(labels: dict[str, str]) -> str:
    def escape(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels.items()) + "}" if labels else ""


def gpu_samples(stats: Any) -> list[Sample]:
    """From ComfyUI's own `/system_stats`; what has another shape gives none, for unknown is never read as data."""
    devices = stats.get("devices") if isinstance(stats, dict) else None
    samples: list[Sample] = []
    for index, device in enumerate(devices if isinstance(devices, list) else []):
        if not isinstance(device, dict):
            continue
        name = f"{index}:{device.get('name', '')}"
        for kind in ("total", "free"):
            value = device.get(f"vram_{kind}")
            if isinstance(value, int | float):
                samples.append(({"device": name, "kind": kind}, float(value)))
    return samples
