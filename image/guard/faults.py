"""Why ComfyUI must not serve, or must not take another credential."""

import os
import sys
from typing import NoReturn

_UNSAFE = 78


class Unsafe(Exception):
    """What is wrong, in words without a secret, and what the operator can do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def end(line: str) -> NoReturn:
    """Ends ComfyUI, whether or not the line can be said."""
    try:
        print(line, file=sys.stderr, flush=True)
        sys.stdout.flush()
    finally:
        os._exit(_UNSAFE)
