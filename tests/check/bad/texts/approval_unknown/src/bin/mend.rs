const USAGE: &str = "Mend a thing that broke.

Problem:
  A thing broke.

Solution:
  `get` looks. `run` mends.

Usage:
  mend get --repo=<r> [options]
  mend run --env=<e> [--date=<d>] [options]
  mend -h | --help

Options of get:
  --repo=<r>    The repositories.

Options of run:
  --env=<e>     The environment. [choices: dev prod]
  --date=<d>    The day. [found: days]
  --keep=<n>    How many. [default: 10]
  --yes         Do not ask.
  --all         All of them.

Options of get and run:
  --dump=<dir>  The folder of what was found. [keeps: days.json] [default: .]
  --pwd=<p>     The password. [env: FIREBREAK_PWD] [secret]
  --format=<f>  How to print. [choices: table json] [default: table]

General options:
  -h, --help    This text.

Approval:
  a nod

Exit status:
  0    Done.
  1    Failed.

Examples:
  mend get --repo=a,b
  mend run --env=dev --date=2026-11-20 --pwd=@pwd
";

fn main() {}
