#!/usr/bin/env bash
# The whole story of a role against its embedded world. On a terminal you choose; without one it goes through by itself.
# `drill.sh [role]`; PLATFORM says what the services of rollback_service run on: marathon or kubernetes.
# The exit code tells whether all is as it should be in the end.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

role="${1:-rollback_service}"
story="scripts/stories/$role.sh"
[ -e "$story" ] || fail "there is no story of '$role': these have one: $(basename -s .sh -a scripts/stories/*.sh | xargs)"

# The domain of each role, and its world.
case "$role" in
  rebuild_indexes) domain=indexes world=(--world=indexes) ;;
  resolve_transactions) domain=transactions world=(--world=transactions) ;;
  test_pipeline) domain=pipeline world=(--world=pipeline) ;;
  *) domain=rollback world=(--platform="${PLATFORM:-marathon}") ;;
esac

scripts/tools.sh ansible
[ "$domain" != indexes ] || [ -d /usr/lib/postgresql ] || scripts/tools.sh database
[ "$domain" != transactions ] || command -v redis-server >/dev/null || scripts/tools.sh queue
say "building what the story calls"
# Compiled in the quick way, as for tests, and without what only other programs need: `make build` makes those for production.
cargo build --locked --no-default-features --features "drill,$domain" --bin firedrill --bin "$role"

# The roles with these programs in them, apart from those that production is played by, and from those of another drill.
PLAYS="$(mktemp -d "$target_folder/drill.XXXXXX")"
export PLAYS
trap 'rm -rf "$PLAYS"' EXIT
cp -r ansible.cfg inventories playbooks roles "$PLAYS"
install -D "$target_folder/debug/$role" "$PLAYS/roles/$role/files/$role"

PATH="$target_folder/debug:$PATH" firedrill "${world[@]}" -- "$story"
