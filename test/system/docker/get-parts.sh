#!/usr/bin/env bash
# Gets, as root on a Debian machine, what the tests with Docker need and no package of this release has:
# a minimal Debian to build images on, since no registry is asked, one with Python and what else our image wants of
# its base, the Python packages of the server in it, and Compose v2. What is there already is kept.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
parts="${TMPDIR:-/tmp}/comfyui-auth-ci/docker"
mirror="${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
mkdir -p "$parts"
work=$(mktemp -d "$parts/getting-XXXXXX")
trap 'rm -rf "$work"' EXIT

# A Debian 12 as an archive: its name, and the packages that it has besides the smallest set.
base() {
  local root="$work/$1.root"
  debootstrap --variant=minbase ${2:+"--include=$2"} bookworm "$root" "$mirror" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
  }
  local without=(
    ./var/cache/apt ./var/lib/apt/lists ./usr/share/doc ./usr/share/man ./usr/share/locale
    './dev/*' './proc/*' './sys/*'
  )
  tar -C "$root" "${without[@]/#/--exclude=}" -cf "$work/$1" .
  rm -rf "$root"
  mv "$work/$1" "$parts/$1"
}

[ -s "$parts/base.tar" ] || base base.tar ''
[ -s "$parts/python.tar" ] ||
  base python.tar ca-certificates,dumb-init,git,python3,python3-pip,python3-venv,tini

# For the Python of that Debian, whichever this machine has. The list's hash names the folder: a new list, a new one.
packages="$here/../image/requirements.lock"
wheels="$parts/wheels-$(sha256sum "$packages" | cut -c1-16)"
if [ ! -d "$wheels" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" download --quiet --disable-pip-version-check --dest "$work/wheels" --require-hashes \
    --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi abi3 --abi none \
    --platform "manylinux2014_$(uname -m)" --platform "manylinux_2_28_$(uname -m)" --platform any \
    --requirement "$packages"
  mv "$work/wheels" "$wheels"
fi

if [ ! -x "$parts/compose-v2" ]; then
  # The package of the next release, by lists of its own: nothing of it is installed, it runs as it lies there.
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  chmod 755 "$work"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
  options=(
    -qq
    -o "Dir::Etc::sourcelist=$work/sources.list" -o 'Dir::Etc::sourceparts=/dev/null'
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o 'APT::Sandbox::User=root'
  )
  apt-get "${options[@]}" update
  (cd "$work" && apt-get "${options[@]}" download docker-compose)
  dpkg -x "$work"/docker-compose_*.deb "$work/compose"
  mv "$work/compose/usr/libexec/docker/cli-plugins/docker-compose" "$parts/compose-v2"
fi
