"""pin-login-node.py FOLDER REPOSITORY COMMIT: writes to stdout what the login node's copy in the image consists of."""

import hashlib
import json
import pathlib
import sys

folder, repository, commit = sys.argv[1:]
root = pathlib.Path(folder)
files = {
    path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(root.rglob("*"))
    if path.is_file()
}
if not {"__init__.py", "password.py"} <= files.keys():
    sys.exit(f"pin-login-node: {repository} at {commit} is no ComfyUI-Login: it lacks __init__.py or password.py")
json.dump({"version": 1, "repository": repository, "commit": commit, "files": files}, sys.stdout, indent=1)
print()
