//! A usage text with more commands than two. It is read, never built.

const USAGE: &str = "
Mend in more ways.

Solution:
  `get` looks. `run` mends. `off` gives up.

Usage:
  more_ways get
  more_ways (run | off) [options]
  more_ways roll-back [--to=<t>] [options]
  more_ways queue clear [options]
  more_ways -h | --help

Options of run and off:
  --check      Plan and stop: change nothing.

Options of roll-back:
  --to=<t>     Where to.

General options:
  -h, --help   This.
";

fn main() {
    println!("{USAGE}");
}
