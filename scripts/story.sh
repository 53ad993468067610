# shellcheck shell=bash
# What the stories of a drill share. Sourced, never run.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../common.sh"

decline() {
  say "$*: nothing was changed"
  exit 4
}

# On a terminal: whether to go on. Without one there is nobody to ask.
confirm() {
  { [ -t 0 ] && [ -t 2 ]; } || return 0
  local answer=
  read -r -p "$1 (y/n)? " answer || true
  case "${answer,,}" in
    y | yes) ;;
    *) decline "not confirmed" ;;
  esac
}

# `play <role> …`: by the roles in PLAYS, which have the programs of the drill in them.
play() { (cd "$PLAYS" && ansible-playbook -i inventories/local "playbooks/$1.yml" "${@:2}"); }
