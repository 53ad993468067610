#!/usr/bin/env bash
# The story that `make drill ROLE=resolve_transactions` plays inside a drill: missed transactions, look, plan, run, proof.
# Ends with 0 where each transaction is where it should be, 1 where not, 4 where somebody says no, 130 after Ctrl-C.
# shellcheck source=scripts/story.sh
. "$(dirname "$0")/../story.sh"

trap 'printf "\n" >&2; say "interrupted: what was done stays done"; exit 130' INT

resolve() { play resolve_transactions "$@"; }

say "1. Under load the slaves lost the master. This is what the bank would say of what they saved, and nothing of it is done"
firedrill proof --before >/dev/null || fail "the drill does not stand as the story begins"
firedrill proof || true

say "2. The playbook without tags looks at the queue, and takes nothing from it"
resolve

say "3. The plan, with --check and --diff: nothing is changed yet"
resolve --tags run --check --diff

confirm "Resolve them"

say "4. The playbook with the tag run acts. One message is malformed: it is parked, and the play fails to say so"
resolve --tags run || true

say "5. Run again: what the bank has not decided waits, and nothing is done twice"
resolve --tags run

say "6. The proof: each transaction has its one effect, and none is lost"
firedrill proof || fail "not each transaction is where it should be"
