"""Small files that an operator names, and that may be anything."""

import errno
import os
import stat


def read_regular(path: str, most_bytes: int) -> bytes:
    """At most so many bytes of a file. Raises `OSError`, also for what is none: a FIFO would never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a file")
        return os.read(descriptor, most_bytes)
    finally:
        os.close(descriptor)
