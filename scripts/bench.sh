#!/usr/bin/env bash
# Measures the registry client beside skopeo, the reading of manuals and the deriving from them beside docopt, and the playbook
# beside a play of one task, each in the same run: ratios, since seconds differ from machine to machine.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

scripts/tools.sh debian
cargo bench --locked --bench manual
cargo bench --locked --bench registry
cargo bench --locked --bench catalogue
scripts/tools.sh ansible
scripts/build.sh
bin/firedrill -- scripts/plays.sh
