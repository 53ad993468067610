#!/usr/bin/env bash
# Everything that must hold before a change lands. `FULL=1`: also what takes long, before a release. `ONLY=<domain or module of
# the tests>`: the tests of that one alone, without the rest.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

only="${ONLY:-}"
export FIREBREAK_FULL="${FULL:-}"
# By this number all parts of what is much alike are chosen; the same number, the same parts.
export FIREBREAK_SEED="${FIREBREAK_SEED:-$RANDOM}"

# Most tests wait, for a deployment, a pause, another program. What really needs a core takes turns by itself.
threads=$((4 * $(nproc)))
logs="$target_folder/test"
mkdir -p "$logs"
: >"$logs/tests"

# The stages with their seconds; the one that goes on, and when it began; what runs beside them: name, process, when it began.
took=() now=() beside=()

# Does a part of the work, and notes how long it took.
stage() {
  now=("$1" "$SECONDS")
  say "$1"
  "${@:2}"
  took+=("$1"$'\t'"$((SECONDS - now[1]))"$'\t')
  now=()
}

# Begins a part of the work beside the others, with what it says in a file.
begin() {
  local name="$1"
  shift
  say "$name: beside the rest (see $logs/$name)"
  # A group of its own, so that it can be ended with all that it started.
  setsid nice "$@" >"$logs/$name" 2>&1 &
  beside+=("$name"$'\t'"$!"$'\t'"$SECONDS")
}

is_beside() { printf '%s\n' "${beside[@]}" | grep -q "^$1"$'\t'; }

# Waits for a part of the work that was begun; fails where it failed.
await() {
  local name process begun left=() entry found=
  for entry in "${beside[@]}"; do
    IFS=$'\t' read -r name process begun <<<"$entry"
    if [ "$name" = "$1" ]; then found="$process $begun"; else left+=("$entry"); fi
  done
  [ -n "$found" ] || return 0
  beside=("${left[@]}")
  read -r process begun <<<"$found"
  local waited=$SECONDS
  wait "$process" || {
    tail -n 60 "$logs/$1" >&2
    fail "$1 failed: all that it said is in $logs/$1"
  }
  took+=("$1"$'\t'"$((SECONDS - waited))"$'\t'"waited for; begun $((SECONDS - begun)) s ago")
}

# The end, good or bad: ends what is still beside, shows where the time went, and repeats which tests failed, where and why.
finish() {
  local code=$? entry process
  for entry in "${beside[@]}"; do
    IFS=$'\t' read -r _ process _ <<<"$entry"
    kill -- "-$process" 2>/dev/null || true
  done
  [ ${#now[@]} -eq 0 ] || took+=("${now[0]}"$'\t'"$((SECONDS - now[1]))"$'\t'"failed")
  if [ ${#took[@]} -gt 0 ]; then
    printf '%s\n' "${took[@]}" | awk -F '\t' -v all="$SECONDS" '
      BEGIN { if (!all) all = 1; printf "\n%-28s %8s %6s\n", "stage", "seconds", "share" }
      { printf "%-28s %8d %5d%%  %s\n", $1, $2, 100 * $2 / all, $3 }
      END { printf "%-28s %8d\n\n", "all", all }'
  fi
  grep -E '^test (result: |.* FAILED$)' "$logs/tests" || true
  grep -A 3 '^thread .* panicked at ' "$logs/tests" || true
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# The test runner, which goes on after a failure; what it says is kept for the end.
run_tests() { cargo test --locked --no-fail-fast "$@" --test-threads="$threads" | tee -a "$logs/tests"; }

# The modules of tests/it that test a domain; each module is one's (a test sees to that).
modules_of() {
  case "$1" in
    catalogue) echo author check completions derive examples finding manual pictures ;;
    drill) echo drill ;;
    history) echo history ;;
    leaders) echo leaders ;;
    pipeline) echo pipeline ;;
    platform) echo containers digests engine kubernetes marathon ;;
    registry) echo registry ;;
    rollback) echo matrix on_kubernetes operators program ran reliability secrets sets temporary terminal undo ;;
    roles) echo ansible dist jenkins ;;
    indexes) echo indexes ;;
    sql) echo sql ;;
    transactions) echo transactions ;;
    pictures) echo images ;;
    toolkit) echo architecture runner readme static_programs ;;
    *) echo "$1" ;;
  esac
}

# The tests of one domain or module, by their names: a filter of the runner would find those of others as well.
run_only() {
  local modules names
  modules="$(modules_of "$only")"
  cargo test --locked --lib --test it --no-run
  # What they need that is not there takes its time.
  case " $modules " in *" kubernetes "* | *" on_kubernetes "* | *" drill "*) scripts/kubernetes.sh ;; esac
  case " $modules " in *" static_programs "*) scripts/build.sh ;; esac
  mapfile -t names < <(cargo test --locked --quiet --test it -- --list | sed -n 's/: test$//p' | grep -E "^(${modules// /|})::")
  run_tests --lib -- "$only::"
  [ ${#names[@]} -eq 0 ] || run_tests --test it -- --exact "${names[@]}"
  grep -q '^test .* ok$' "$logs/tests" || fail "no test is of '$only': it is a module of src/ or of tests/it"
}

# The static programs to be built and tried: all with FULL=1; else the one whose limit is tightest, and another one of the
# others each time, since each takes minutes to link.
programs_of_this_run() {
  local others
  mapfile -t others < <(basename --suffix .rs --multiple src/bin/*.rs)
  [ -z "$FIREBREAK_FULL" ] || { echo "${others[*]}"; return; }
  mapfile -t others < <(printf '%s\n' "${others[@]}" | grep -vx rollback_service)
  echo "rollback_service ${others[FIREBREAK_SEED % ${#others[@]}]}"
}

derived() {
  "$target_folder/debug/firebreak" sync --check
  "$target_folder/debug/firebreak" check
}

stage "tools" scripts/tools.sh packages
if [ -n "$only" ]; then
  stage "tests of $only" run_only
  exit
fi

[ -z "$(scripts/kubernetes.sh missing)" ] || begin "kubernetes" nice -n 10 scripts/kubernetes.sh
stage "quick lints" scripts/lint.sh quick
FIREBREAK_PROGRAMS="$(programs_of_this_run)"
export FIREBREAK_PROGRAMS
say "static programs of this run: $FIREBREAK_PROGRAMS (FIREBREAK_SEED=$FIREBREAK_SEED; FULL=1: all)"
# shellcheck disable=SC2086 # words
begin "static-programs" scripts/build.sh $FIREBREAK_PROGRAMS
stage "clippy" scripts/lint.sh clippy
stage "building the tests" cargo test --locked --lib --test it --no-run
stage "derived, and every rule" derived
stage "fuzzing" scripts/fuzz.sh "$([ -n "$FIREBREAK_FULL" ] && echo 60 || echo 5)"
[ -z "$FIREBREAK_FULL" ] || stage "each feature alone" cargo hack clippy --locked --each-feature -- -D warnings
await "static-programs"
if is_beside "kubernetes"; then
  stage "tests without Kubernetes" run_tests --lib --test it -- --skip kubernetes::
  await "kubernetes"
  stage "tests with Kubernetes" run_tests --test it -- kubernetes::
else
  stage "tests" run_tests --lib --test it --
fi
