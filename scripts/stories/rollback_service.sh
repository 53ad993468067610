#!/usr/bin/env bash
# The story that `make drill` plays inside a drill: broken release, look, choice, plan, run, proof.
# Ends with 0 where the services stand as they should, 1 where not, 4 where somebody says no, 130 after Ctrl-C.
# shellcheck source=scripts/story.sh
. "$(dirname "$0")/../story.sh"

folder="$(mktemp -d)"
acting=
trap 'rm -rf "$folder"' EXIT
trap interrupted INT

interrupted() {
  printf '\n' >&2
  if [ -z "$acting" ]; then
    say "interrupted: nothing was changed"
  else
    say "interrupted while it acted. This runs now:"
    firedrill proof || true
  fi
  exit 130
}

rollback() { play rollback_service -e "@$folder/vars.json" "$@"; }

# Reads a file of JSON: `$1` is its name, `$2` what of it is printed.
read_json() { python3 -c "import json, sys; it = json.load(open(sys.argv[1])); print($2)" "$folder/$1"; }

# Extra variables as JSON: `-e name=value` would read what stands in a value.
printf '{"rollback_service_dump": "%s"}' "$folder" >"$folder/vars.json"

say "1. A release of four services broke today: this runs, and this should run"
firedrill proof --before >"$folder/before" || fail "the drill does not stand as the story begins: $(cat "$folder/before")"
firedrill proof || true

say "2. The playbook without tags looks which days can be gone back to"
rollback

if [ -t 0 ] && [ -t 2 ]; then
  say "3. Choose the day. The release broke today, the day before was good"
  mapfile -t dates < <(read_json rollback.json '*(date for date in it["rollbacks"] if date not in it["incomplete"]), sep="\n"')
  PS3='Back to the end of which day (its number)? '
  select date in "${dates[@]}"; do
    [ -z "$date" ] || break
    say "'$REPLY' is none of the numbers 1 to ${#dates[@]}"
  done
  [ -n "${date:-}" ] || decline "no day was chosen"
else
  date="$FIREDRILL_DATE"
  say "3. No terminal, so nobody to choose: the day is $date"
fi
printf '{"rollback_service_dump": "%s", "rollback_service_report": "%s", "rollback_service_date": "%s"}' \
  "$folder" "$folder/report.json" "$date" >"$folder/vars.json"

say "4. The plan, with --check and --diff: nothing is changed yet"
rollback --tags run --check --diff
if [ "$(read_json report.json 'it["outcome"]')" = nothing_to_do ]; then
  say "$date is what runs already, so there is nothing to do, and nothing was changed. $FIREDRILL_DATE was the last good day"
  exit 1
fi

confirm "Go back to $date"

say "5. The playbook with the tag run acts"
acting=yes
rollback --tags run

say "6. The proof: what runs now"
firedrill proof || fail "The services do not stand as they did on $FIREDRILL_DATE, the last good day"
