"""ComfyUI has helpers of its nodes here."""
