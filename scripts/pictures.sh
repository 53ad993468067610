#!/usr/bin/env bash
# Makes the README's pictures from a real drill: what a look, a plan and a run print, as SVG.
# Usage: pictures.sh [programs]: the folder of programs that are there already, else they are built.
# Paths are seen from where it is called, and common.sh goes elsewhere.
programs="${1:+$(realpath -m -- "$1")}"
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

rich_version=15.0.0
environment="$target_folder/pictures"
if ! "$environment/bin/python" -c "import rich" 2>/dev/null; then
  scripts/tools.sh ansible
  say "installing rich, which turns a terminal's text into SVG, into $environment"
  .venv/bin/python -m venv "$environment"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "rich==$rich_version"
fi
[ -n "$programs" ] || scripts/build.sh
programs="${programs:-$PWD/bin}"
python="$environment/bin/python"

PATH="$programs:$PATH" firedrill -- "$python" scripts/pictures.py docs/pictures
say "docs/pictures: $(ls docs/pictures)"
