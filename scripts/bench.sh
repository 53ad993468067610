#!/usr/bin/env bash
# Measures the reading of a manual side by side with docopt's, and the registry client side by side with skopeo's, in the
# same run: ratios, since seconds differ from machine to machine.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

scripts/tools.sh debian
cargo bench --locked --bench manual
cargo bench --locked --bench registry
