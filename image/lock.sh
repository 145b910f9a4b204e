#!/bin/sh
# lock.sh: makes requirements.lock and torch.lock again, for the commits that the Dockerfile pins.
# Needs git, uv and a package index. COMFYUI_REPO and LOGIN_REPO may name other places that have those commits.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# These three belong together: https://pytorch.org/get-started/previous-versions/
torch='torch==2.8.0 torchvision==0.23.0 torchaudio==2.8.0'
# ComfyUI names lower bounds only: without this date it would get releases that it was never run with.
released=2025-10-15
# What handles requests, certificates, sessions or uploaded images is as new as it can be.
fresh='aiohttp aiosignal certifi cryptography idna jinja2 multidict pillow requests urllib3 yarl'
bounds='aiohttp<4 pillow<13'

pinned() { sed -n "s/^ARG $1=//p" "$here/Dockerfile"; }

# requirements COMFYUI|LOGIN REPOSITORY: its requirements.txt at the pinned commit, and no other file of it.
requirements() (
  git init --quiet "$work/$1"
  cd "$work/$1"
  git remote add origin "${2:-$(pinned "$1_REPO")}"
  git fetch --quiet --depth 1 --filter=blob:none origin "$(pinned "$1_COMMIT")"
  git show "$(pinned "$1_COMMIT"):requirements.txt"
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
requirements COMFYUI "${COMFYUI_REPO:-}" >"$work/comfyui.txt"
requirements LOGIN "${LOGIN_REPO:-}" >"$work/login.txt"
for line in $torch $bounds; do echo "$line"; done >"$work/constraints.txt"

set --
for name in $fresh; do set -- "$@" --exclude-newer-package "$name=$(date -u +%Y-%m-%d)"; done
# One resolution for both files: what one of them pins holds for the other.
uv pip compile --quiet --no-config --no-header --no-annotate --generate-hashes --only-binary :all: \
  --python-version 3.11 --python-platform x86_64-manylinux_2_28 --exclude-newer "$released" "$@" \
  --constraint "$work/constraints.txt" "$work/comfyui.txt" "$work/login.txt" \
  --output-file "$work/all.lock" >/dev/null

# An entry is a line that begins with a name, and the indented hashes below it.
part() {
  awk -v wanted="$1" '/^[a-z0-9]/ { ours = /^(torch|torchvision|torchaudio|triton|nvidia-[a-z0-9-]+)==/ ? "torch" : "rest" }
    ours == wanted' "$work/all.lock"
}
{
  echo "# ComfyUI's and its login node's Python packages, without PyTorch: CPython 3.11, Linux on x86_64."
  echo '# Made by image/lock.sh, and made again by running it. Installed with --no-deps --require-hashes.'
  part rest
} >"$work/requirements.lock"
{
  echo "# PyTorch as the package index has it (CUDA 12.8): CPython 3.11, Linux on x86_64."
  echo '# Made by image/lock.sh, and made again by running it. Installed with --no-deps --require-hashes.'
  part torch
} >"$work/torch.lock"
cp "$work/requirements.lock" "$work/torch.lock" "$here/"
