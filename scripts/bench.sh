#!/usr/bin/env bash
# Measures, each beside a peer in the same run, since seconds differ from machine to machine: the registry client (skopeo), the
# reading of manuals and the deriving from them (docopt), the listing of journals (reading their bytes), missed transactions
# (scripts in Python), indexes that are rebuilt (reindexdb, pg_repack), pictures that are copied (rclone), the playbook (a play of one
# task).
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

scripts/tools.sh debian
cargo bench --locked --bench manual
cargo bench --locked --bench registry
cargo bench --locked --bench catalogue
cargo bench --locked --bench journal
scripts/tools.sh bench
cargo bench --locked --bench indexes
cargo bench --locked --bench pictures
cargo bench --locked --bench transactions
scripts/tools.sh ansible
scripts/build.sh
bin/firedrill -- scripts/plays.sh
