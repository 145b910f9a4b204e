#!/bin/sh
# healthcheck.sh [--live]: the verdict of `node …/entrypoint/index.cjs healthcheck`, where starting Node costs too much.
# Exits 0 where health.json says ready (with --live: that the entrypoint watches), is fresh, and its process lives; else 1.
# It needs a POSIX shell, cat, date, id and ls. It reads the line that the entrypoint writes, and takes no other JSON for
# one. It counts whole seconds: within one of a limit it says no.
set -u
export LC_ALL=C

fresh=30
skew=5

verdict() {
  echo "$2"
  exit "$1"
}

live_only=no
case "$#:${1-}" in
  0:) ;;
  1:--live) live_only=yes ;;
  *)
    echo 'usage: healthcheck.sh [--live]' >&2
    exit 64
    ;;
esac

# Sets `found` to missing, broken or file, and `record` to what is in the file. A link is followed by nobody.
read_record() {
  found=missing
  if [ -L "$1" ]; then
    found=broken
  elif [ -f "$1" ]; then
    if record=$(cat "$1" 2>/dev/null); then found='file'; fi
  elif [ -e "$1" ]; then
    found=broken
  fi
}

# Anybody can make a folder in /tmp: it counts while it is our own, and writable by nobody else.
is_ours() {
  listed=$(ls -ldn "$1" 2>/dev/null) || return 1
  # shellcheck disable=SC2086 # to be taken apart: mode, links, owner, …
  set -- $listed
  case $1 in
    d????-??-*) [ "$3" = "$(id -u)" ] ;;
    *) return 1 ;;
  esac
}

wanted=${RUN_DIR:-/run/comfyui-auth}
fallback=/tmp/comfyui-auth-$(id -u)
read_record "$wanted/health.json"
if [ "$found" = missing ] && is_ours "$fallback"; then read_record "$fallback/health.json"; fi
case $found in
  missing) verdict 1 "no health.json in $wanted, nor in a $fallback of our own: the entrypoint is not running" ;;
  broken) verdict 1 "$wanted/health.json cannot be read" ;;
esac

# Behind the checks stands what others wrote. A quote inside a text is escaped, so no text can look like a field.
fields=${record%%'"checks":'*}
case $record in
  '{"v":1,'*'"checks":['*'}') ;;
  *) verdict 1 'health.json is not as the entrypoint writes it' ;;
esac

# field NAME: the value of it, without quotes.
field() {
  case $fields in
    *"\"$1\":"*) ;;
    *) return ;;
  esac
  value=${fields#*"\"$1\":"}
  value=${value%%,*}
  value=${value#\"}
  echo "${value%\"}"
}

# number TEXT: without leading zeros, which would make it octal.
number() {
  text=$1
  while [ "${text#0}" != "$text" ] && [ "${#text}" -gt 1 ]; do text=${text#0}; done
  echo "$text"
}

# seconds 2026-01-31T12:00:00.000Z: since 1970. Counts the days in years that begin in March, so that a leap day is the last.
seconds() {
  date_part=${1%%T*}
  time_part=${1#*T}
  year=$(number "${date_part%%-*}")
  rest=${date_part#*-}
  month=$(number "${rest%%-*}")
  day=$(number "${rest#*-}")
  hours=$(number "${time_part%%:*}")
  rest=${time_part#*:}
  minutes=$(number "${rest%%:*}")
  rest=${rest#*:}
  whole=$(number "${rest%%.*}")
  if [ "$month" -le 2 ]; then year=$((year - 1)) month=$((month + 12)); fi
  days=$((365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 719469))
  echo $((((days * 24 + hours) * 60 + minutes) * 60 + whole))
}

updated=$(field updatedAt)
case $updated in
  [0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9]Z) ;;
  *) verdict 1 'health.json has no date' ;;
esac
age=$(($(date +%s) - $(seconds "$updated")))
if [ "$age" -le "-$skew" ]; then verdict 1 "health.json is dated $((-age)) s in the future"; fi
if [ "$age" -ge "$fresh" ]; then verdict 1 "health.json was last written $age s ago"; fi

if [ "$(field live)" != true ]; then verdict 1 'the entrypoint has ended'; fi

pid=$(field pid)
case $pid in
  '' | *[!0-9]*) verdict 1 'health.json names no process' ;;
esac
# The process of another user refuses the signal, and lives.
if ! kill -0 "$pid" 2>/dev/null && [ ! -d "/proc/$pid" ]; then
  verdict 1 "the entrypoint (process $pid) is gone"
fi

state="$(field state) since $(field since)"
if [ "$live_only" = yes ] || [ "$(field ready)" = true ]; then verdict 0 "$state"; fi
verdict 1 "not ready: $state"
