#!/usr/bin/env bash
# Makes the README's pictures from a real drill: what a look, a plan and a run print, as SVG.
# Usage: pictures.sh [programs]: the folder of programs that are there already, else they are built.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

rich_version=15.0.0
environment="${CARGO_TARGET_DIR:-target}/pictures"
if ! "$environment/bin/python" -c "import rich" 2>/dev/null; then
  scripts/tools.sh ansible
  say "installing rich, which turns a terminal's text into SVG, into $environment"
  .venv/bin/python -m venv "$environment"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "rich==$rich_version"
fi
programs="${1:-bin}"
[ -n "${1:-}" ] || scripts/build.sh
programs="$(cd "$programs" && pwd)"
python="$(cd "$environment/bin" && pwd)/python"

PATH="$programs:$PATH" firedrill -- "$python" scripts/pictures.py docs/pictures
say "docs/pictures: $(ls docs/pictures)"
