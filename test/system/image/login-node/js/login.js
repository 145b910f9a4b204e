document.title = 'ComfyUI';
