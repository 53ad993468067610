# shellcheck shell=bash
# What every script shares. Sourced, never run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The programs that pip installed come before the machine's own.
PATH="$PWD/.venv/bin:$PATH"
export PATH

# A Kubernetes, which takes minutes to compile, outlives `make clean` and a fresh clone.
export tool_cache="${XDG_CACHE_HOME:-$HOME/.cache}/firebreak"
export kubernetes_version=1.33.4

# Where cargo leaves what it builds.
target_folder="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
export target_folder

# What `cargo run` or `cargo test` leaves in the environment makes build scripts run again, and all that stands on them.
for name in $(compgen -v CARGO_PKG_) $(compgen -v CARGO_MANIFEST_); do unset "$name"; done

say() {
  if [ -t 2 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    printf '\033[1m==>\033[0m %s\n' "$*" >&2
  else
    printf '==> %s\n' "$*" >&2
  fi
}

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Root's rights, for the package manager only.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "'$*' needs root: run it as root, then 'make tools' again"
  fi
}
