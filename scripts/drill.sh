#!/usr/bin/env bash
# The whole story against the embedded world. On a terminal you choose the day; without one it goes through by itself.
# PLATFORM says what the services run on: marathon or kubernetes.
# The exit code tells whether the services stand where they should.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

scripts/tools.sh ansible
say "building what the story calls"
# Compiled in the quick way, as for tests, and without what only other programs need: `make build` makes those for production.
cargo build --locked --no-default-features --features drill,rollback --bin firedrill --bin rollback_service

# The roles with these programs in them, apart from those that production is played by, and from those of another drill.
PLAYS="$(mktemp -d "$target_folder/drill.XXXXXX")"
export PLAYS
trap 'rm -rf "$PLAYS"' EXIT
cp -r ansible.cfg inventories playbooks roles "$PLAYS"
install "$target_folder/debug/rollback_service" "$PLAYS/roles/rollback_service/files/"

PATH="$target_folder/debug:$PATH" firedrill --platform="${PLATFORM:-marathon}" -- scripts/story.sh
