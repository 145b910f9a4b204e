"""What the guard knows of ComfyUI-Login's inside (liusida/ComfyUI-Login, password.py), and how it changes it."""

import os
import sys
import tempfile
from collections.abc import MutableSequence
from datetime import datetime
from types import ModuleType
from typing import Any

from aiohttp.typedefs import Middleware

from .credential import Credential
from .faults import Unsafe

NAME = "check_login_status"
_REMEDY = "see the log above for why ComfyUI-Login failed to load; install its requirements, or restore its folder"


class LoginNode:
    """The login node that ComfyUI has loaded. Raises `Unsafe` where there is none that guards."""

    def __init__(self, middlewares: MutableSequence[Any]) -> None:
        found = [it for it in middlewares if getattr(it, "__name__", "") == NAME]
        if not found:
            raise Unsafe("ComfyUI-Login is not loaded: ComfyUI would serve anyone", _REMEDY)
        self.check: Middleware = found[0]
        module = sys.modules.get(self.check.__module__)
        if module is None or vars(module) is not getattr(self.check, "__globals__", None):
            raise Unsafe("ComfyUI-Login failed half-way through its import", _REMEDY)
        self._module: ModuleType = module
        self._is_alone = len(found) == 1

    @property
    def token(self) -> str:
        """The bearer that it compares with; empty where its inside has no such thing."""
        token = getattr(self._module, "TOKEN", "")
        return token if isinstance(token, str) else ""

    @property
    def can_change(self) -> bool:
        """Whether another credential can be put into it while it runs."""
        return self._is_alone and isinstance(self._cache, dict)

    @property
    def _cache(self) -> object:
        return getattr(self._module, "user_cache", None)

    def change(self, credential: Credential) -> None:
        """Takes effect with the next request."""
        setattr(self._module, "TOKEN", credential.token)
        cache = self._cache
        if isinstance(cache, dict):
            cache.update(username=credential.username, password=credential.token.encode())

    def path_of(self, name: str, otherwise: str) -> str:
        """One of the paths that the module keeps."""
        path = getattr(self._module, name, None)
        return path if isinstance(path, str) else otherwise

    @property
    def session_key(self) -> str | None:
        """The key of its session cookies."""
        key = getattr(self._module, "secret_key", None)
        return key if isinstance(key, str) else None

    def keep_session_key(self, key: str) -> None:
        """Writes the key where the next start reads it, for ComfyUI's user alone. Raises `OSError`."""
        node = os.path.dirname(self._module.__file__ or "")
        path = self.path_of("secret_key_path", os.path.join(node, ".secret-key.txt"))
        descriptor, temporary = tempfile.mkstemp(prefix=".secret-key.", dir=os.path.dirname(path))
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{key},{datetime.now().isoformat()}")
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
