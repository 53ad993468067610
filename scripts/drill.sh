#!/usr/bin/env bash
# The whole story against the embedded world. On a terminal you choose the day; without one it goes through by itself.
# PLATFORM says what the services run on: marathon or kubernetes.
# The exit code tells whether the services stand where they should.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

scripts/tools.sh ansible
scripts/build.sh
PATH="$PWD/bin:$PATH" exec firedrill --platform="${PLATFORM:-marathon}" -- scripts/story.sh
