#!/usr/bin/env bash
# Builds the static programs: those that are named, or all. `firebreak build` does the latter; this builds that program first, in the same
# way, so that nothing is compiled twice.
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

target="$(rustc -vV | sed -n 's/^host: //p')"

# The features that Cargo.toml names for a program.
features_of() {
  cargo metadata --locked --no-deps --format-version=1 | python3 -c '
import json, sys
targets = json.load(sys.stdin)["packages"][0]["targets"]
print(next(",".join(one.get("required-features", [])) for one in targets if one["kind"] == ["bin"] and one["name"] == sys.argv[1]))
' "$1"
}

compile() {
  local features
  features="$(features_of "$1")"
  # One that names none is built with all.
  [ -z "$features" ] || features="--no-default-features --features=$features"
  # shellcheck disable=SC2086 # words
  RUSTFLAGS="$(<scripts/rustflags)" cargo build --locked --release --target "$target" $features --bin "$1"
}

if [ $# -eq 0 ]; then
  say "building the static programs for $target"
  compile firebreak
  # Not by `cargo run`: see common.sh.
  exec "$target_folder/$target/release/firebreak" build
fi

for program in "$@"; do
  [ -e "src/bin/$program.rs" ] || fail "there is no program '$program' in src/bin: ROLE= takes the name of one"
  say "building the static program $program for $target"
  compile "$program"
  for folder in bin "roles/$program/files"; do
    [ "$folder" = bin ] || [ -d "roles/$program" ] || continue
    mkdir -p "$folder"
    # Under another name first: one that runs is left alone.
    cp "$target_folder/$target/release/$program" "$folder/.$program.new"
    mv "$folder/.$program.new" "$folder/$program"
  done
done
