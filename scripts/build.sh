#!/usr/bin/env bash
# Builds the static programs. `firebreak build` does it; this builds that one first, in the same way, so that nothing is
# compiled twice.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

target="$(rustc -vV | sed -n 's/^host: //p')"
say "building the static programs for $target"
# Its features are those that Cargo.toml names for it.
RUSTFLAGS="$(<scripts/rustflags)" cargo build --locked --release --target "$target" \
  --no-default-features --features catalogue,history --bin firebreak
# Not by `cargo run`: see common.sh.
exec "$target_folder/$target/release/firebreak" build "$@"
