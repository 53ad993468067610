#!/usr/bin/env bash
# Feeds odd input to what reads texts of others: each target of fuzz/ for so many seconds (default 10). Starts from
# fuzz/seeds/<target>; what it finds on the way stays in target/fuzz. Needs no nightly compiler and no cargo-fuzz.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

seconds="${1:-10}"
case "$seconds" in '' | *[!0-9]* | 0*) fail "usage: fuzz.sh [seconds]" ;; esac
host="$(rustc -vV | sed -n 's/^host: //p')"
built="target/fuzz"

# What libFuzzer needs to see which way an input took.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"

say "fuzzing: building the targets"
# The target is named so that build scripts and macros are left alone.
RUSTFLAGS="${coverage//$'\n'/ }" cargo build --quiet --locked --manifest-path fuzz/Cargo.toml --target-dir "$built" --target "$host" --bins

for source in fuzz/fuzz_targets/*.rs; do
  name="$(basename "$source" .rs)"
  program="$built/$host/debug/$name"
  corpus="$built/corpus/$name" found="$built/found/$name/"
  mkdir -p "$corpus" "$found"
  say "fuzzing: $name, $seconds s"
  # The seeds are read, and new inputs kept in the first folder alone.
  if ! "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="$found" "$corpus" "fuzz/seeds/$name" >"$found/log" 2>&1; then
    tail -n 40 "$found/log" >&2
    input="$(sed -n 's/.*Test unit written to //p' "$found/log" | tail -n 1)"
    fail "the target '$name' breaks on ${input:-an input}; run it again: $program ${input:-$corpus}"
  fi
  say "fuzzing: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log") inputs, none breaks it"
done
