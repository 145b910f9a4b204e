"""Where things are. The login node takes the folder of this file for ComfyUI's, whatever --base-directory says."""

import os

from comfy.cli_args import args

_here = os.path.dirname(os.path.abspath(__file__))
base_path = os.path.abspath(args.base_directory) if args.base_directory else _here
user_directory = os.path.join(base_path, "user")
input_directory = os.path.join(base_path, "input")
custom_nodes = [os.path.join(base_path, "custom_nodes")]


def _values(section):
    lines = [line.split("#")[0].strip() for line in section.splitlines()]
    return dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)


def add_extra_paths(config):
    """Takes in the custom_nodes of an extra_model_paths.yaml that holds plain `key: value` lines."""
    folder = os.path.dirname(os.path.abspath(config))
    with open(config, encoding="utf-8") as file:
        text = "\n" + file.read()
    for section in text.replace("\n ", "\r").split("\n"):
        values = _values(section.replace("\r", "\n"))
        if values.get("custom_nodes"):
            custom_nodes.append(os.path.join(folder, values.get("base_path", ""), values["custom_nodes"]))


_configs = [os.path.join(_here, "extra_model_paths.yaml")] + [path for few in args.extra_model_paths_config for path in few]
for _config in _configs:
    if os.path.isfile(_config):
        add_extra_paths(_config)
