"""/userdata: files of any name in the user's folder, one that ends in .js too (container.md F10)."""

import os
import shutil
from urllib.parse import unquote

from aiohttp import web

import folder_paths


def _folder():
    return os.path.join(folder_paths.user_directory, "default")


def _path(request, key="file", exists=False):
    """Where a file of that name lies; whoever would leave the folder, or asks for what is not there, gets an answer."""
    path = os.path.abspath(os.path.join(_folder(), unquote(request.match_info[key])))
    if os.path.commonpath((_folder(), path)) != _folder():
        raise web.HTTPForbidden()
    if exists and not os.path.exists(path):
        raise web.HTTPNotFound()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def _name(path):
    return web.json_response(os.path.relpath(path, _folder()))


def add_routes(routes):
    @routes.get("/userdata")
    async def list_userdata(request):
        folder = os.path.join(_folder(), request.query.get("dir", ""))
        return web.json_response(sorted(os.listdir(folder)) if os.path.isdir(folder) else [])

    @routes.get("/userdata/{file}")
    async def get_userdata(request):
        return web.FileResponse(_path(request, exists=True))

    @routes.post("/userdata/{file}")
    async def post_userdata(request):
        path, content = _path(request), await request.read()
        with open(path, "wb") as file:
            file.write(content)
        return _name(path)

    @routes.delete("/userdata/{file}")
    async def delete_userdata(request):
        os.remove(_path(request, exists=True))
        return web.Response(status=204)

    @routes.post("/userdata/{file}/move/{dest}")
    async def move_userdata(request):
        dest = _path(request, "dest")
        shutil.move(_path(request, exists=True), dest)
        return _name(dest)
