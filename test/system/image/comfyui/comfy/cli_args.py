"""Those of ComfyUI's options that the tests give, with its defaults."""

import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--listen", default="127.0.0.1", nargs="?", const="0.0.0.0,::")
parser.add_argument("--port", type=int, default=8188)
parser.add_argument("--tls-keyfile")
parser.add_argument("--tls-certfile")
parser.add_argument("--enable-cors-header", nargs="?", const="*")
parser.add_argument("--base-directory")
parser.add_argument("--extra-model-paths-config", nargs="+", action="append", default=[])
parser.add_argument("--disable-all-custom-nodes", action="store_true")
parser.add_argument("--whitelist-custom-nodes", nargs="+", default=[])
parser.add_argument("--cpu", action="store_true")
parser.add_argument("--verbose", nargs="?", const="DEBUG", default="INFO")
args = parser.parse_args()
