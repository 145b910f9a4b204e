from .password import check_login_status  # noqa: F401

WEB_DIRECTORY = "js"

NODE_CLASS_MAPPINGS = {}
