"""A custom node in one file, as ComfyUI brings some along."""

NODE_CLASS_MAPPINGS = {}
