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

# The roles with these programs in them, apart from those that production is played by.
export ANSIBLE_ROLES_PATH="$target_folder/drill/roles"
rm -rf "$ANSIBLE_ROLES_PATH"
mkdir -p "${ANSIBLE_ROLES_PATH%/*}"
cp -r roles "$ANSIBLE_ROLES_PATH"
install "$target_folder/debug/rollback_service" "$ANSIBLE_ROLES_PATH/rollback_service/files/"

PATH="$target_folder/debug:$PATH" exec firedrill --platform="${PLATFORM:-marathon}" -- scripts/story.sh
