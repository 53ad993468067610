#!/usr/bin/env bash
# The story that `make drill ROLE=rebuild_indexes` plays inside a drill: broken indexes, look, plan, run, proof.
# Ends with 0 where all indexes are well and no write was refused, 1 where not, 4 where somebody says no, 130 after Ctrl-C.
# shellcheck source=scripts/story.sh
. "$(dirname "$0")/../story.sh"

trap 'printf "\n" >&2; say "interrupted: what was rebuilt stays so"; exit 130' INT

rebuild() { play rebuild_indexes "$@"; }

say "1. Most orders were archived, and an index of addresses was made while two customers had the same. An application writes on"
firedrill proof --before >/dev/null || fail "the drill does not stand as the story begins"
firedrill proof || true

say "2. The playbook without tags looks at the indexes, and changes nothing"
rebuild

say "3. The plan, with --check and --diff: nothing is changed yet"
rebuild --tags run --check --diff

confirm "Rebuild them"

say "4. The playbook with the tag run acts, while the application writes"
rebuild --tags run

say "5. Run again: there is nothing to do"
rebuild --tags run

say "6. The proof: all indexes are well, addresses are kept apart, and no order was refused"
firedrill proof || fail "not all is as it should be"
