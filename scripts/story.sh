#!/usr/bin/env bash
# The story that `make drill` plays inside a drill: broken release, look, choice, plan, run, proof.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

play() { ansible-playbook -i inventories/local/hosts.ini playbooks/rollback_service.yml -e "@$folder/vars.json" "$@"; }

# Extra variables as JSON: `-e name=value` would read what stands in a value.
printf '{"rollback_service_dump": "%s"}' "$folder" >"$folder/vars.json"

say "1. A release of four services broke today"
firedrill proof --before

say "2. The playbook without tags looks which days can be gone back to"
play

if [ -t 0 ] && [ -t 2 ]; then
  say "3. Choose the day. The release broke today, the day before was good"
  mapfile -t dates < <(python3 -c '
import json, sys
found = json.load(open(sys.argv[1]))
print(*(date for date in found["rollbacks"] if date not in found["incomplete"]), sep="\n")' "$folder/rollback.json")
  PS3='Back to the end of which day (its number)? '
  select date in "${dates[@]}"; do [ -n "$date" ] && break; done
  [ -n "${date:-}" ] || fail "no day was chosen: nothing was changed"
else
  date="$FIREDRILL_DATE"
  say "3. No terminal, so nobody to choose: the day is $date"
fi
printf '{"rollback_service_dump": "%s", "rollback_service_date": "%s"}' "$folder" "$date" >"$folder/vars.json"

say "4. The plan, with --check and --diff: nothing is changed yet"
play --tags run --check --diff

if [ -t 0 ] && [ -t 2 ]; then
  read -r -p "Go back to $date (y/n)? " answer
  [ "$answer" = y ] || fail "not confirmed: nothing was changed"
fi

say "5. The playbook with the tag run acts"
play --tags run

say "6. The proof: what runs now"
firedrill proof
