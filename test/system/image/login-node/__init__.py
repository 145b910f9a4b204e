from .password import check_login_status  # noqa: F401

NODE_CLASS_MAPPINGS = {}
