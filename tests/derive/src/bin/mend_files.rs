//! A usage text that is hard on templates. It is read, never built.

const USAGE: &str = "
mend 'files': \"quotes\", {{ braces }}, # signs: and more.

Problem:
  It's \"broken\": {{ 1 + 1 }} {% raw %} # no comment. - no item

Solution:
  `get` looks: {{ lookup('pipe', 'id') }}. `run` mends 'it': \"all\" & more, * or not, !unsafe, %percent, @at.

Usage:
  mend_files get [--tag=<t>]... [options]
  mend_files run [--tag=<t>]... [--beside=<path>]... [options] <target> <file>...
  mend_files -h | --help

Options:
  --tag=<t>          A tag: # not a comment, {{ not_a_template }} and \"quoted\" {% if %} {# no #}. A long one, so that it must
                     be wrapped: - like an item, and: like a mapping.
  --mode=<m>         'How'? [choices: quick yes 1 a|b]
  --greeting=<g>     Said first. [default: {{ 'a' }}: # \"b\"]
  --report=<file>    Where the report goes.
  --count=<n>        How often. [default: 0]
  -q                 Quiet.
  --beside=<path>    What lies beside it.
  --parts=<files>    Its parts, separated by commas.
  -h, --help         This.
";

fn main() {
    println!("{USAGE}");
}
