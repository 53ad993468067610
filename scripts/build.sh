#!/usr/bin/env bash
# Builds the static programs. `firebreak build` does it; this builds that one first, with the same flags, so that nothing
# is compiled twice.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

target="$(rustc -vV | sed -n 's/^host: //p')"
say "building the static programs for $target"
RUSTFLAGS="$(<scripts/rustflags)" cargo build --release --target "$target" --bin firebreak
# Not by `cargo run`: see common.sh.
exec "${CARGO_TARGET_DIR:-target}/$target/release/firebreak" build "$@"
