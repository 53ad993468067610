# What `get` found: the keys (or items) of a member of the kept file, in their order, less those of `incomplete`.
# JSON is cut into tokens, so that neither jq nor Python has to be there. Without the file it says nothing.
_firebreak_found() { # member file
  [ -r "$2" ] || return 0
  grep -oE '"([^"\\]|\\.)*"|[][{}:,]' -- "$2" 2>/dev/null | awk -v wanted="\"$1\"" '
    $0 == "{" || $0 == "[" { depth++; kind[depth] = $0; name = ($0 == "{"); next }
    $0 == "}" || $0 == "]" { depth--; next }
    $0 == "," { name = (kind[depth] == "{"); next }
    $0 == ":" { name = 0; next }
    depth == 1 && name { member = $0; next }
    depth == 2 && (name || kind[2] == "[") {
      if (member == wanted) { offered[++count] = $0 }
      if (member == "\"incomplete\"") { left[$0] = 1 }
    }
    END {
      for (i = 1; i <= count; i++) if (!(offered[i] in left)) print substr(offered[i], 2, length(offered[i]) - 2)
    }'
}
