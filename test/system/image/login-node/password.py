"""A login that behaves as ComfyUI-Login does, holes included: what is wrong at its import leaves the server open."""

import logging
import os
from datetime import datetime, timedelta

import bcrypt
import folder_paths
from aiohttp import web
from aiohttp_session import get_session, setup
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from comfy.cli_args import args

# Not needed here, and yet imported: without the package the real one is not there either.
from Crypto.Cipher import AES  # noqa: F401
from Crypto.Util.Padding import pad  # noqa: F401
from cryptography.fernet import Fernet
from jinja2 import Environment, FileSystemLoader, select_autoescape
from server import PromptServer

NODE = os.path.dirname(os.path.abspath(__file__))
COMFYUI = os.path.dirname(os.path.abspath(folder_paths.__file__))
# The names are the real one's, by which others find them.
secret_key_path = os.path.join(NODE, ".secret-key.txt")
LOGIN = os.path.join(COMFYUI, "login")
password_path = os.path.join(LOGIN, "PASSWORD")
guest_mode_path = os.path.join(LOGIN, "GUEST_MODE")
old_password_path = os.path.join(COMFYUI, "PASSWORD")

OPEN_SUFFIXES = (".css", ".css.map", ".js", ".ico")
GUEST_POSTS = ("/prompt", "/upload/image")

app = PromptServer.instance.app
routes = PromptServer.instance.routes
page = Environment(loader=FileSystemLoader(NODE), autoescape=select_autoescape()).get_template("login.html")

# Read at the start, and again only while it is empty.
TOKEN = ""
# Read at the first login, and kept.
user_cache = {}


def session_key():
    key = None
    if os.path.exists(secret_key_path):
        with open(secret_key_path, encoding="utf-8") as file:
            key, made = file.read().split(",")
        if datetime.now() - datetime.fromisoformat(made) > timedelta(days=30):
            key = None
    if key is None:
        key = Fernet.generate_key().decode()
        with open(secret_key_path, "w", encoding="utf-8") as file:
            file.write(f"{key},{datetime.now().isoformat()}")
    return key


def load_token():
    global TOKEN
    try:
        with open(password_path, encoding="utf-8") as file:
            TOKEN = file.readline().strip()
            file.read()
    except FileNotFoundError:
        logging.info("Please set up your password before use.")
        return
    logging.info("For direct API calls, use token=%s", TOKEN)


def token():
    if not TOKEN:
        load_token()
    return TOKEN


def user():
    if not user_cache:
        with open(password_path, "rb") as file:
            stored, name = (file.read().split(b"\n") + [b""])[:2]
        user_cache.update(password=stored, username=name.decode("utf-8").strip() or None)
    return user_cache


def write_user(stored, username):
    with open(password_path, "wb") as file:
        file.write(stored + b"\n" + username.encode("utf-8"))
    user_cache.update(password=stored, username=username)


@routes.get("/login")
async def login_page(request):
    if (await get_session(request)).get("logged_in"):
        raise web.HTTPFound("/")
    first = not os.path.exists(password_path)
    state = {
        "first": first,
        "username": None if first else user()["username"],
        "wrong": bool(request.query.get("wrong_password")),
        "guests": os.path.exists(guest_mode_path),
    }
    return web.Response(text=page.render(state), content_type="text/html")


@routes.post("/login")
async def login(request):
    form = await request.post()
    password, username = form.get("password"), form.get("username")
    # Whoever sends none falls over here.
    given = password.encode("utf-8")
    session = await get_session(request)
    if form.get("guest_mode") == "1" and os.path.exists(guest_mode_path):
        session["guest_mode"] = True
        return web.HTTPFound("/")
    if not os.path.exists(password_path):
        write_user(bcrypt.hashpw(given, bcrypt.gensalt()), username)
    elif not user()["password"] or not bcrypt.checkpw(given, user()["password"]):
        return web.HTTPFound("/login?wrong_password=1")
    elif user()["username"] is None:
        write_user(user()["password"], username)
    session["logged_in"] = True
    session["username"] = user_cache["username"]
    return web.HTTPFound("/")


@routes.get("/logout")
async def logout(request):
    (await get_session(request))["logged_in"] = False
    return web.HTTPFound("/login")


@routes.get("/guest_mode")
async def guest_mode(request):
    return web.json_response({"guestMode": (await get_session(request)).get("guest_mode", False)})


def has_token(request):
    allowed = args.enable_cors_header
    if allowed and allowed != "*" and allowed != request.headers.get("Origin"):
        return False
    header = request.headers.get("Authorization")
    if header:
        kind, given = header.split()
        if kind == "Bearer" and given == token():
            return True
    return request.query.get("token") == token()


def guest_may(request):
    return request.method == "GET" or (request.method == "POST" and request.path in GUEST_POSTS)


@web.middleware
async def check_login_status(request, handler):
    if request.path == "/login" or request.path.endswith(OPEN_SUFFIXES):
        return await handler(request)
    session = await get_session(request)
    if session.get("logged_in"):
        return await handler(request)
    if session.get("guest_mode"):
        return await handler(request) if guest_may(request) else web.json_response({})
    if has_token(request):
        return await handler(request)
    if "text/html" in request.headers.get("Accept", ""):
        raise web.HTTPFound("/login")
    return web.json_response({"error": "Authentication required."}, status=401)


secret_key = session_key()
setup(app, EncryptedCookieStorage(secret_key))
os.makedirs(LOGIN, exist_ok=True)
if os.path.exists(old_password_path):
    os.replace(old_password_path, password_path)
load_token()
app.middlewares.append(check_login_status)
app.router.add_static("/old_css/", os.path.join(NODE, "old_css"))
