#!/usr/bin/env bash
# Feeds odd input to what reads texts of others: each target of fuzz/main.rs for so many seconds (default 10). Starts from
# fuzz/seeds/<target>; what it finds on the way stays in target/fuzz. Needs no nightly compiler and no cargo-fuzz.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

seconds="${1:-10}"
case "$seconds" in '' | *[!0-9]* | 0*) fail "usage: fuzz.sh [seconds]" ;; esac

say "fuzzing: building the targets"
# Only our own crate gets the marks: what it stands on is what the tests were built on.
RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/rustc" cargo build --locked --features fuzz --example fuzz
program="$target_folder/debug/examples/fuzz"

for seeds in fuzz/seeds/*/; do
  name="$(basename "$seeds")"
  corpus="$target_folder/fuzz/corpus/$name" found="$target_folder/fuzz/found/$name"
  mkdir -p "$corpus" "$found"
  say "fuzzing: $name, $seconds s"
  # The seeds are read, and new inputs kept in the first folder alone.
  if ! FUZZ_TARGET="$name" "$program" -max_total_time="$seconds" -timeout=60 -max_len=4096 -mutate_depth=8 \
    -dict=fuzz/words.dict -print_final_stats=1 -artifact_prefix="$found/" "$corpus" "$seeds" >"$found/log" 2>&1; then
    tail -n 40 "$found/log" >&2
    input="$(sed -n 's/.*Test unit written to //p' "$found/log" | tail -n 1)"
    fail "the target '$name' breaks on ${input:-an input}; run it again: FUZZ_TARGET=$name $program ${input:-$corpus}"
  fi
  grep -q 'inline 8-bit counters' "$found/log" || fail "the target '$name' is blind: see fuzz/rustc, and $found/log"
  say "fuzzing: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log") inputs, none breaks it"
done
