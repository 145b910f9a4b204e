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
if "__init__.py" not in files:
    sys.exit(f"pin-login-node: {repository} at {commit} is no custom node: it has no __init__.py")
json.dump({"version": 1, "repository": repository, "commit": commit, "files": files}, sys.stdout, indent=1)
print()
