#!/usr/bin/env bash
# Everything that finds faults without running the programs. `quick` leaves out what compiles them, `clippy` is only that.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

check() {
  say "$*"
  "$@"
}

quick() {
  check cargo fmt --all --check
  check shellcheck --external-sources .ci/run fuzz/rustc scripts/*.sh scripts/stories/*.sh
  check yamllint --strict .
  check ansible-lint --offline --strict
  check openapi-spec-validator docs/transactions.openapi.yaml
  check typos
  check taplo format --check
  check cargo-deny --locked check bans licenses sources
  check cargo-shear --deny-warnings
}

clippy() { check cargo clippy --all-targets --all-features --locked -- -D warnings; }

case "${1:-all}" in
  quick | clippy) "$1" ;;
  all)
    scripts/tools.sh lint
    quick
    clippy
    ;;
  *) fail "usage: lint.sh [quick|clippy|all]" ;;
esac
