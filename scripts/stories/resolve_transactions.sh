#!/usr/bin/env bash
# The story that `make drill ROLE=resolve_transactions` plays inside a drill: missed transactions, look, plan, run, proof.
# Ends with 0 where each transaction is where it should be, 1 where not, 4 where somebody says no, 130 after Ctrl-C.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/../common.sh"

trap 'printf "\n" >&2; say "interrupted: what was done stays done"; exit 130' INT

# By the roles in PLAYS, which have the programs of the drill in them.
play() { (cd "$PLAYS" && ansible-playbook -i inventories/local playbooks/resolve_transactions.yml "$@"); }

say "1. Under load the slaves lost the master. This is what the bank would say of what they saved, and nothing of it is done"
firedrill proof --before >/dev/null || fail "the drill does not stand as the story begins"
firedrill proof || true

say "2. The playbook without tags looks at the queue, and takes nothing from it"
play

say "3. The plan, with --check and --diff: nothing is changed yet"
play --tags run --check --diff

if [ -t 0 ] && [ -t 2 ]; then
  read -r -p "Resolve them (y/n)? " answer || true
  case "${answer,,}" in
    y | yes) ;;
    *)
      say "not confirmed: nothing was changed"
      exit 4
      ;;
  esac
fi

say "4. The playbook with the tag run acts. One message is malformed: it is parked, and the play fails to say so"
play --tags run || true

say "5. Run again: what the bank has not decided waits, and nothing is done twice"
play --tags run

say "6. The proof: each transaction has its one effect, and none is lost"
firedrill proof || fail "not each transaction is where it should be"
