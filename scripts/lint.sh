#!/usr/bin/env bash
# Everything that finds faults without running the programs. The quick ones come first.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

check() {
  say "$*"
  "$@"
}

check cargo fmt --all --check
check shellcheck --external-sources .ci/run fuzz/rustc scripts/*.sh
check yamllint --strict .
check ansible-lint --offline --strict
check typos
check taplo format --check
check cargo-deny --locked check bans licenses sources
check cargo-shear
check cargo clippy --all-targets --locked -- -D warnings
