#!/usr/bin/env bash
# Seconds of the playbook, as a ratio to a play with one bare `command` task, and the number of tasks: each in turn with the other, so
# that a busy machine slows down both. A run and its undo wait for the services of the drill. Called below a drill: `firedrill -- scripts/plays.sh`.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

rounds="${1:-7}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cat >"$folder/bare.yml" <<'END'
- name: One bare task
  hosts: firebreak
  gather_facts: false
  tasks:
    - name: Nothing
      ansible.builtin.command: "true"
      changed_when: false
END

# play NAME WORDS…: adds the seconds that it took to a file of its name.
play() {
  local name="$1" begun="$EPOCHREALTIME"
  shift
  ansible-playbook -i inventories/local/hosts.ini -e rollback_service_dump="$folder" "$@" >"$folder/$name.out" ||
    { cat "$folder/$name.out" && fail "the play '$name' failed"; }
  awk "BEGIN { print $EPOCHREALTIME - $begun }" >>"$folder/$name"
}

day='import json, sys; kept = json.load(open(sys.argv[1])); print(max(set(kept["rollbacks"]) - set(kept["incomplete"])))'
playbook=playbooks/rollback_service.yml
for ((round = 0; round < rounds; round++)); do
  play bare "$folder/bare.yml"
  play get "$playbook"
  date="rollback_service_date=$(python3 -c "$day" "$folder/rollback.json")"
  play plan "$playbook" --tags run --check --diff -e "$date"
  play run "$playbook" --tags run -e "$date"
  # The next round needs the broken release again.
  play undo "$playbook" --tags undo
done
median() { sort -n "$folder/$1" | sed -n "$(((rounds + 1) / 2))p"; }
for name in bare get plan run undo; do
  awk -v name="$name" -v tasks="$(grep -c '^TASK \[' "$folder/$name.out")" -v took="$(median "$name")" -v bare="$(median bare)" \
    'BEGIN { printf "%-5s %2d tasks  %.2f s  %.2f times the bare one\n", name, tasks, took, took / bare }'
done
