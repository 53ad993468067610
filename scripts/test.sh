#!/usr/bin/env bash
# Everything that must hold before a change lands.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

scripts/tools.sh
scripts/lint.sh
scripts/build.sh
say "what is derived, and every rule"
bin/firebreak sync --check
bin/firebreak check
scripts/fuzz.sh 5
say "cargo test"
cargo test --locked --no-fail-fast
