"""Why ComfyUI must not serve, or must not take another credential."""


class Unsafe(Exception):
    """What is wrong, in words without a secret, and what the operator can do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
