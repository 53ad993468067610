#!/usr/bin/env bash
# Builds the static programs, and copies each that has a role of its name into that role's files.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

# The target is named so that build scripts and macros, which cannot be static, are left alone.
target="$(host_target)"
say "building the static programs for $target"
RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --bins --target "$target"

built="${CARGO_TARGET_DIR:-target}/$target/release"
for role in roles/*/; do
  program="$(basename "$role")"
  [ -x "$built/$program" ] || continue
  # Put in place whole, and only if it is another one: somebody may be running it.
  if ! cmp -s "$built/$program" "roles/$program/files/$program"; then
    install -D -m 0755 "$built/$program" "roles/$program/files/.$program.new"
    mv "roles/$program/files/.$program.new" "roles/$program/files/$program"
  fi
  printf '%s  %s\n' "$(du --apparent-size -h "$built/$program" | cut -f 1)" "roles/$program/files/$program"
done
