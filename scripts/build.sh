#!/usr/bin/env bash
# Builds the static programs, and copies each that has a role of its name into that role's files.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

# The target is named so that build scripts and macros, which cannot be static, are left alone.
target="$(host_target)"
say "building the static programs for $target"
RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --bins --target "$target"

built="$(built_programs)"
for role in roles/*/; do
  program="$(basename "$role")"
  [ -x "$built/$program" ] || continue
  # Only where it differs: somebody may be copying it at this moment.
  cmp -s "$built/$program" "roles/$program/files/$program" || install -D -m 0755 "$built/$program" "roles/$program/files/$program"
  printf '%s  %s\n' "$(du --apparent-size -h "$built/$program" | cut -f 1)" "roles/$program/files/$program"
done
