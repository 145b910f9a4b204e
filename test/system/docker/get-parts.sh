#!/usr/bin/env bash
# Gets, as root on a Debian machine, what the tests with Docker need and no package of this release has:
# a minimal Debian to build images on, since no registry is asked, and Compose v2. What is there already is kept.
set -euo pipefail
parts="${TMPDIR:-/tmp}/comfyui-auth-ci/docker"
mirror="${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
mkdir -p "$parts"
work=$(mktemp -d "$parts/getting-XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ ! -s "$parts/base.tar" ]; then
  debootstrap --variant=minbase bookworm "$work/root" "$mirror" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
  }
  without=(./var/cache/apt ./var/lib/apt/lists ./usr/share/doc ./usr/share/locale './dev/*' './proc/*' './sys/*')
  tar -C "$work/root" "${without[@]/#/--exclude=}" -cf "$work/base.tar" .
  mv "$work/base.tar" "$parts/base.tar"
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
