#!/usr/bin/env bash
# Builds the static programs, and copies each that has a role of its name into that role's files.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

# The target is named so that build scripts and macros, which cannot be static, are left alone.
target="$(host_target)"
say "building the static programs for $target"
RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --bins --target "$target"

built="$(built_programs)"
# Puts a program in place whole, and only where it is another one: somebody may be running or copying it.
place() {
  cmp -s "$1" "$2" || { install -D -m 0755 "$1" "$2.new" && mv "$2.new" "$2"; }
  printf '%s  %s\n' "$(du --apparent-size -h "$2" | cut -f 1)" "$2"
}

for source in src/bin/*.rs; do
  program="$(basename "$source" .rs)"
  place "$built/$program" "bin/$program"
  if [ -d "roles/$program" ]; then place "$built/$program" "roles/$program/files/$program"; fi
done
