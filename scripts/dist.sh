#!/usr/bin/env bash
# Packs a release: one archive for hosts without Rust, the Ansible collection, and their checksums. The same commit gives
# the same bytes.
# Usage: dist.sh [programs [folder]]: the programs that are there already, else they are built; where to, else target/dist.
# Paths are seen from where it is called, and common.sh goes elsewhere.
programs="${1:+$(realpath -m -- "$1")}"
folder="${2:+$(realpath -m -- "$2")}"
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

version="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
grep -qx "version: $version" collection/galaxy.yml || fail "collection/galaxy.yml has another version than Cargo.toml, $version: write it there"
commit_time="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" || fail "git does not say when the last commit was made: set SOURCE_DATE_EPOCH"
scripts/tools.sh ansible
[ -n "$programs" ] || scripts/build.sh
programs="${programs:-bin}"
folder="${folder:-$target_folder/dist}"
stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT

# Copies what is in git below these paths: what lies beside may be a secret.
copy() {
  mkdir -p "$1"
  git ls-files -z -- "${@:2}" | tar --create --null --files-from=- | tar --extract --directory="$1"
}

# Packs all of a folder; nothing in the archive says who packed it, when, or where.
pack() {
  (cd "$1" && find . -mindepth 1 -maxdepth 1 -printf '%P\0' | LC_ALL=C sort -z) |
    tar --create --directory="$1" --null --files-from=- --format=gnu --sort=name --mtime="@$commit_time" \
      --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' | gzip --no-name >"$2"
}

# The roles with their programs in them; `$2` makes a copy of one.
roles_with_programs() {
  local role
  copy "$1" roles playbooks
  for role in "$1"/roles/*; do
    [ -f "src/bin/${role##*/}.rs" ] || continue
    # Of a role with nothing else in it, git has no such folder.
    mkdir -p "$role/files"
    "${@:2}" "$programs/${role##*/}" "$role/files/"
  done
}

name="firebreak-$version-$(uname -m)-linux"
say "packing $name.tar.gz"
whole="$stage/whole/$name"
mkdir -p "$whole/bin"
for source in src/bin/*.rs; do
  program="$(basename "$source" .rs)"
  [ -x "$programs/$program" ] || fail "there is no program '$program' in $programs"
  install -m 755 "$programs/$program" "$whole/bin/"
done
# `firebreak find` and `list` read the manuals, which are in the sources of the programs.
copy "$whole" docs inventories jenkins share src/bin ansible.cfg README.md RELIABILITY.md CHANGELOG.md LICENSE
# One file under two names: it is packed once.
(programs="$whole/bin" && roles_with_programs "$whole" ln)
(cd "$whole" && find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum >"$stage/sums" && mv "$stage/sums" SHA256SUMS)
mkdir -p "$folder"
rm -f "$folder"/firebreak-*.tar.gz "$folder/SHA256SUMS"
pack "$stage/whole" "$folder/$name.tar.gz"

collection="firebreak-repairs-$version.tar.gz"
say "packing $collection"
copy "$stage" collection
copy "$stage/collection" CHANGELOG.md LICENSE
roles_with_programs "$stage/collection" install -m 755
find "$stage/collection/roles" -name Jenkinsfile -delete
# Where the collection is installed there are neither buttons nor a Makefile: its READMEs speak of none.
.venv/bin/python - "$stage/collection/roles" <<'PYTHON'
import pathlib, re, sys

part = re.compile(r"<!-- derived: (\w+) -->\n.*?<!-- end -->\n", re.DOTALL)
for own in pathlib.Path("collection/roles").glob("*/README.md"):
    parts = {found[1]: found[0] for found in part.finditer(own.read_text())}
    readme = pathlib.Path(sys.argv[1], own.parent.name, "README.md")
    readme.write_text(part.sub(lambda found: parts.get(found[1], found[0]), readme.read_text()))
PYTHON
# Where git's remote is a place that others reach: as a web page, and without the user that may stand in it.
repository="$({ git config --get remote.origin.url || true; } | sed -nE \
  -e 's|^(https?)://([^@/]*@)?([^/]+/.*)$|\1://\3|;t found' -e 's|^ssh://([^@/]*@)?([^/:]+)(:[0-9]+)?/(.*)$|https://\2/\4|;t found' \
  -e 's|^([^@/]+@)?([^/:]+):([^/].*)$|https://\2/\3|;t found' -e 'd;:found' -e 's|/*(\.git)?/*$||p')"
galaxy="$stage/collection/galaxy.yml"
sed -i '/^repository: /d' "$galaxy"
[ -z "$repository" ] || printf 'repository: "%s"\n' "$repository" >>"$galaxy"
# A collection has its plugins in one place; those of a role alone are found in no other.
mkdir -p "$stage/collection/plugins/action" "$stage/collection/plugins/modules"
for role in "$stage"/collection/roles/*; do
  [ ! -d "$role/action_plugins" ] || mv "$role"/action_plugins/* "$stage/collection/plugins/action/"
  [ ! -d "$role/library" ] || mv "$role"/library/* "$stage/collection/plugins/modules/"
  rm -rf "$role/action_plugins" "$role/library"
done
rm -f "$stage/collection/playbooks/roles"
.venv/bin/ansible-galaxy collection build "$stage/collection" --output-path "$stage" >&2
# Ansible lists files as the disk does, and writes down when: listed by name and packed again.
mkdir "$stage/built"
tar --extract --file="$stage/$collection" --directory="$stage/built"
.venv/bin/python - "$stage/built" <<'PYTHON'
import hashlib, json, pathlib, sys

files, manifest = (pathlib.Path(sys.argv[1], name) for name in ("FILES.json", "MANIFEST.json"))
listed = json.loads(files.read_text())
listed["files"].sort(key=lambda file: file["name"])
files.write_text(json.dumps(listed, indent=1))
told = json.loads(manifest.read_text())
told["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(files.read_bytes()).hexdigest()
manifest.write_text(json.dumps(told, indent=1))
PYTHON
pack "$stage/built" "$folder/$collection"

(cd "$folder" && sha256sum ./*.tar.gz | sed 's|\./||' >SHA256SUMS)
say "in $folder:"
cat "$folder/SHA256SUMS"
