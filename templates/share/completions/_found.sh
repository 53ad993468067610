# What `get` found, one a line: the keys (or items) of a member of the kept file, in their order, less those of
# `incomplete`. JSON is cut into tokens, so that neither jq nor Python has to be there. Without the file it says nothing.
_firebreak_found() { # member file
  [ -r "$2" ] || return 0
  LC_ALL=C grep -oE '"([^"\\]|\\.)*"|[][{}:,]' -- "$2" 2>/dev/null | LC_ALL=C awk -v wanted="$1" '
    function number(digits,  sum, at) {
      for (at = 1; at <= 4; at++) sum = sum * 16 + index("0123456789abcdef", tolower(substr(digits, at, 1))) - 1
      return sum
    }
    function utf8(code) {
      if (code < 128) return sprintf("%c", code)
      if (code < 2048) return sprintf("%c%c", 192 + int(code / 64), 128 + code % 64)
      if (code < 65536) return sprintf("%c%c%c", 224 + int(code / 4096), 128 + int(code / 64) % 64, 128 + code % 64)
      return sprintf("%c%c%c%c", 240 + int(code / 262144), 128 + int(code / 4096) % 64, 128 + int(code / 64) % 64, 128 + code % 64)
    }
    # What stands between the quotes, with its escapes read.
    function decoded(text,  said, at, sign, code) {
      text = substr(text, 2, length(text) - 2)
      while ((at = index(text, "\\")) > 0) {
        sign = substr(text, at + 1, 1)
        said = said substr(text, 1, at - 1)
        if (sign == "u") {
          code = number(substr(text, at + 2, 4))
          text = substr(text, at + 6)
          if (code >= 55296 && code < 56320 && substr(text, 1, 2) == "\\u") {
            code = 65536 + (code - 55296) * 1024 + number(substr(text, 3, 4)) - 56320
            text = substr(text, 7)
          }
          said = said utf8(code)
        } else {
          said = said (index("bfnrt", sign) ? " " : sign)
          text = substr(text, at + 2)
        }
      }
      return said text
    }
    $0 == "{" || $0 == "[" { depth++; kind[depth] = $0; name = ($0 == "{"); next }
    $0 == "}" || $0 == "]" { depth--; next }
    $0 == "," { name = (kind[depth] == "{"); next }
    $0 == ":" { name = 0; next }
    depth == 1 && name { member = decoded($0); next }
    depth == 2 && (name || kind[2] == "[") {
      if (member == wanted) { offered[++count] = decoded($0) }
      if (member == "incomplete") { left[decoded($0)] = 1 }
    }
    END { for (at = 1; at <= count; at++) if (!(offered[at] in left)) print offered[at] }'
}
