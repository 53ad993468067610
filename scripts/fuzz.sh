#!/usr/bin/env bash
# Feeds odd input to what reads texts of others: each target of fuzz/ for so many seconds (default 10). Starts from
# fuzz/seeds/<target>; what it finds on the way stays in target/fuzz. Needs no nightly compiler and no cargo-fuzz.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

seconds="${1:-10}"
case "$seconds" in '' | *[!0-9]* | 0*) fail "usage: fuzz.sh [seconds]" ;; esac
built="${CARGO_TARGET_DIR:-target}"

say "fuzzing: building the targets"
RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/rustc" cargo build --locked --package firebreak-fuzz --bins

for source in fuzz/fuzz_targets/*.rs; do
  name="$(basename "$source" .rs)"
  program="$built/debug/$name"
  corpus="$built/fuzz/corpus/$name" found="$built/fuzz/found/$name"
  mkdir -p "$corpus" "$found"
  say "fuzzing: $name, $seconds s"
  # The seeds are read, and new inputs kept in the first folder alone.
  if ! "$program" -max_total_time="$seconds" -timeout=60 -max_len=4096 -mutate_depth=8 -dict=fuzz/words.dict \
    -print_final_stats=1 -artifact_prefix="$found/" "$corpus" "fuzz/seeds/$name" >"$found/log" 2>&1; then
    tail -n 40 "$found/log" >&2
    input="$(sed -n 's/.*Test unit written to //p' "$found/log" | tail -n 1)"
    fail "the target '$name' breaks on ${input:-an input}; run it again: $program ${input:-$corpus}"
  fi
  grep -q 'inline 8-bit counters' "$found/log" || fail "the target '$name' is blind: see fuzz/rustc, and $found/log"
  say "fuzzing: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log") inputs, none breaks it"
done
