#!/usr/bin/env bash
# Lays down a deployment of the stand-in for ComfyUI behind ComfyUI-Login, as a user would have it: one compose file, one
# layout, and for each service a .env that holds no credential yet. Builds its image too, in which dist/entrypoint runs.
#
#   e2e-deployment.sh BASE FOLDER SERVICE…      BASE: an image that has Node; services listen at 8188, 8189 …
#
# In a workflow it also hands out `root`, `password`, made for this run, and `other-bearer`, which belongs to another.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: $0 BASE FOLDER SERVICE…" >&2; exit 64; }
base=$1 folder=$2
shift 2
dist=$(cd "$(dirname "$0")/../../../dist" && pwd)
image=comfyui-auth-e2e
user="$(id -u):$(id -g)"

build_image() {
  local context node
  context=$(mktemp -d)
  node=$context/ComfyUI/custom_nodes/ComfyUI-Login
  mkdir -p "$node" "$context/ComfyUI/login" "$context/ComfyUI/venv/bin"
  cp -R "$dist" "$context/dist"
  echo '# stands where ComfyUI has its main program' >"$context/ComfyUI/main.py"
  echo '# its folder is the one of login/PASSWORD' >"$context/ComfyUI/folder_paths.py"
  echo 'from .password import *' >"$node/__init__.py"
  echo '# stands where ComfyUI-Login has its guard, check_login_status' >"$node/password.py"
  printf '#!/bin/sh\nexec node /opt/comfyui-auth/cli/index.cjs stand-in-python "$@"\n' >"$context/ComfyUI/venv/bin/python"
  chmod 755 "$context/ComfyUI/venv/bin/python"
  # Whoever runs this owns what the container writes into the mounted folder: so that user runs in it, and may write there.
  chmod -R a+rwX "$context/ComfyUI"
  printf '%s\n' "FROM $base" 'COPY dist /opt/comfyui-auth' 'COPY ComfyUI /workspace/ComfyUI' 'WORKDIR /workspace/ComfyUI' \
    'ENTRYPOINT ["node", "/opt/comfyui-auth/entrypoint/index.cjs", "run"]' >"$context/Dockerfile"
  docker build --quiet --tag "$image" "$context" >/dev/null
  rm -r "$context"
}

compose_service() { # NAME PORT
  cat <<YAML
  $1:
    image: $image
    user: "$user"
    env_file: [./$1/.env]
    ports: ["127.0.0.1:$2:8188"]
    volumes: ["./$1/login:/workspace/ComfyUI/login"]
    stop_grace_period: 20s
YAML
}

layout_service() { # NAME PORT
  cat <<YAML
  $1:
    url: http://127.0.0.1:$2
    owner: "$user"
    restart: { driver: compose, file: compose.yaml, service: $1 }
    env: { file: $1/.env, readers: [compose@2.24+] }
    locations:
      - { path: $1/login/PASSWORD, kind: password-file }
YAML
}

# So many letters and digits of the system's random source.
letters() {
  local text
  text=$(head -c 512 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9')
  printf '%s' "${text:0:$1}"
}

build_image
mkdir -p "$folder"
echo 'services:' >"$folder/compose.yaml"
printf 'version: 1\nservices:\n' >"$folder/comfyui-auth.yml"
port=8188
for service in "$@"; do
  mkdir -p "$folder/$service/login"
  install -m 600 /dev/null "$folder/$service/.env"
  compose_service "$service" "$port" >>"$folder/compose.yaml"
  layout_service "$service" "$port" >>"$folder/comfyui-auth.yml"
  port=$((port + 1))
done

if [ -n "${GITHUB_OUTPUT:-}" ]; then
  password=$(letters 24)
  # Of a bearer's shape, and nobody's.
  other="\$2b\$12\$$(letters 53)"
  printf '::add-mask::%s\n' "$password" "$other"
  printf '%s\n' "root=$folder" "password=$password" "other-bearer=$other" >>"$GITHUB_OUTPUT"
fi
