#!/usr/bin/env bash
# The story that `make drill ROLE=test_pipeline` plays inside a drill: a pipeline that says success and loses orders; look, test, mend, test,
# proof. Ends with 0 where the right release runs and nothing was left behind, 1 where not, 4 where somebody says no, 130 after Ctrl-C.
# shellcheck source=scripts/story.sh
. "$(dirname "$0")/../story.sh"

trap 'printf "\n" >&2; say "interrupted: each test has done its clean-up"; exit 130' INT

check() { play test_pipeline "$@"; }

say "1. Each run of the pipeline ends well, and the sums of the days are too small. Its newest release came yesterday"
firedrill proof --before >/dev/null || fail "the drill does not stand as the story begins"
firedrill proof || true

say "2. The playbook without tags reads the tests, and runs none"
check

say "3. The playbook with the tag run puts orders in, starts the pipeline, and looks into the warehouse. It fails, and says where"
if check --tags run; then fail "a test passed that should fail"; fi

confirm "Take the pipeline back to the release before"
curl -fsS -X PUT "$FIREDRILL_PIPELINE/release/41"

say "4. The release before runs, and the same test passes"
check --tags run

say "5. The proof: no order is left out, and the tests have left nothing behind"
firedrill proof || fail "not all is as it should be"
