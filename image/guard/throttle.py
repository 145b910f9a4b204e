"""How often a wrong password may be tried: token buckets, drawn from before bcrypt is computed."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from .settings import Network

_REFILL_SECONDS = 60.0
_IN_ALL = 10
# A bucket that is forgotten is full again; what is drawn in all still counts.
_MOST_ADDRESSES = 10_000


class _Bucket:
    def __init__(self, size: float, now: float) -> None:
        self.size = size
        self.left = size
        self.at = now

    def wait(self, now: float) -> float:
        """Seconds until one may be drawn; 0 where that is now."""
        rate = self.size / _REFILL_SECONDS
        self.left = min(self.size, self.left + (now - self.at) * rate)
        self.at = now
        return 0.0 if self.left >= 1 else (1 - self.left) / rate


class Throttle:
    """Counts failures for each address and in all; in all alone where every client has the same address."""

    def __init__(self, attempts: int, *, only_in_all: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._attempts = attempts
        self._clock = clock
        self._only_in_all = only_in_all
        self._all = _Bucket(attempts * _IN_ALL, clock())
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, address: str, *, in_all: bool = True) -> int:
        """Whole seconds until this address may try again; 0: it may now."""
        return math.ceil(max(bucket.wait(self._clock()) for bucket in self._buckets(address, in_all)))

    def draw(self, address: str, *, in_all: bool = True) -> int:
        """Takes one attempt. Gives what `wait` gives, and takes none where that is not 0."""
        wait = self.wait(address, in_all=in_all)
        if wait == 0:
            for bucket in self._buckets(address, in_all):
                bucket.left -= 1
        return wait

    def give_back(self, address: str, *, in_all: bool = True) -> None:
        """The attempt was none to be counted."""
        for bucket in self._buckets(address, in_all):
            bucket.left = min(bucket.size, bucket.left + 1)

    def succeeded(self, address: str) -> None:
        """The attempt was none to be counted, and clears those of its address before it."""
        self.give_back(address)
        self._addresses.pop(address, None)

    def _buckets(self, address: str, in_all: bool) -> list[_Bucket]:
        if self._only_in_all:
            return [self._all]
        bucket = self._addresses.pop(address, None) or _Bucket(self._attempts, self._clock())
        self._addresses[address] = bucket
        if len(self._addresses) > _MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        return [bucket, self._all] if in_all else [bucket]


def client_address(peer: str | None, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """Who asks: the connection's own address, or, where that is a trusted proxy's, the last of X-Forwarded-For that is
    not. An IPv6 network of 64 bits counts as one address, since whoever has one has them all."""
    address = _parse(peer or "")
    if address is None:
        return "unknown"
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    while hops and any(address in network for network in proxies):
        hop = _parse(hops.pop())
        if hop is None:
            break
        address = hop
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    # Some proxies add the port: `192.0.2.1:49152`, `[2001:db8::1]:49152`.
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address
