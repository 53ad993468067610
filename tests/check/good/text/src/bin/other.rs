const USAGE: &str = "Look at {things}, and tell.

Problem:
  Nobody knows what there is (see the issue [12]); its use is \"usage\".

Solution:
  It tells - and that is all.
  - a dash and a space are prose

Usage:
  other [--level=<n>] [-o FILE] [<path>...]
  other [--] <command>...
  other --help

Options:
  -l, --level=<n>  How deep [a number] in the tree's '--x [env: HOST]' or `[secret]`. [env: OTHER_LEVEL] [default: 3]
  -o FILE          Where to write it (one of [a b]).
  --help           This text.

Exit status:
  0    Fine.
       0 and nothing else.
  126  The command cannot be started.

Examples:
  $ other --level 2 src tests
  FOO=bar other -o x.txt 2> /dev/null | sort
  Or another command:
  cat x.txt
  other -- sh -c 'echo \"--level\"' \\
    && echo done
";

fn main() {}
