//! Rebuild broken and bloated indexes.

const USAGE: &str = "
Rebuild broken and bloated indexes.

Problem:
  Queries are slow, since indexes are invalid, or most of what they occupy is empty.

Solution:
  `get` shows which indexes are invalid, bloated, left behind by a rebuild that failed, never used, or needless beside
  others, with their sizes, what is empty in them, how that is known, and who would hold a rebuild up. `run` shows the
  plan, asks, and rebuilds one index after the other while others read and write: where a rebuild would wait long, or
  keep another session waiting, it gives way, and what it began is removed. What it never does: remove an index that is
  in use, unused or needless, or change what is unique. Each is verified afterwards. Run it again at any time, also
  after it was killed. Every run is in a journal. On PostgreSQL an index is rebuilt by itself; on MariaDB and MySQL its
  table is, in place, with all its indexes.

Symptoms:
  Queries became slow; EXPLAIN shows sequential scans though there is an index
  An index is invalid, corrupt, or bloated; a CREATE INDEX or REINDEX CONCURRENTLY failed
  Indexes grow and grow, and are much larger than their table
  There are indexes called _ccnew or _ccold

Usage:
  rebuild_indexes get --database=<url> [--min-waste=<p>] [options]
  rebuild_indexes run [--index=<i>] [--table=<t>] [--kind=<k>] [--min-waste=<p>] --database=<url> [options]
  rebuild_indexes -h | --help | --version

Options of get and run:
  --database=<url>      The database: postgres://user:password@host:5432/name?sslmode=require, as an owner of its tables
                        or a superuser; or mariadb://… or mysql://…, without a name for all databases of the server.
                        [env: FIREBREAK_DATABASE] [secret]
  --min-waste=<p>       From which percentage of empty space on an index is bloated, and 1 MiB of it. [default: 30]

Options of run:
  --index=<i>           These indexes alone, whatever is wrong with them: with commas, with or without their schemas; on
                        MariaDB and MySQL as table.index, such as orders.PRIMARY.
  --table=<t>           The indexes of these tables alone.
  --kind=<k>            Those of these kinds alone, with commas: leftover, invalid, bloated. All where it is not given.
  --jobs=<n>            So many at a time; never two of one table. [default: 1]
  --lock-timeout=<s>    Seconds that a rebuild may wait for a lock or for an older transaction, and that any reader or
                        writer may wait because of it, before it gives way. [default: 10]
  --timeout=<seconds>   Seconds that the rebuild of one index may take. [default: 3600]
  --env=<env>           The environment that it is about; the name of a protected one is typed out.
  --slack=<url>         Tell this Slack webhook of the start, the results and the end. [env: FIREBREAK_SLACK] [secret]
  --check               Plan and stop: change nothing.
  --yes                 Do not ask. Needed where no terminal is.
  --journal=<dir>       Where runs are kept, if not in ~/.local/state/firebreak. [env: FIREBREAK_JOURNAL]

General options:
  --cacert=<file>       Trust the certificates in this PEM file as well: authorities', or a server's own.
  --insecure            Trust any certificate. Never do this in production.
  --format=<f>          Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help            Show this text.
  --version             Show the version.

A secret is best given as @path, the name of a file that holds it: everybody on the host sees a command line.

Verify:
  The message says how many were rebuilt, how much that freed, and how long a reader or writer waited at most because of
  it. Each index is valid, as unique as before, and checked by amcheck where that is installed, on MariaDB and MySQL by
  CHECK TABLE. `get` shows what is left.

Undo:
  There is nothing to undo: an index is what it was, anew. A rebuild that did not come to its end has left the old one.

Exit status:
  0    Done, or nothing to do; also where indexes were left, since the time was not right. Each is named.
  1    Failed; what was rebuilt stays so, and the next run goes on.
  2    The command line is wrong.
  3    An index cannot be rebuilt as it is: needs an operator. Each is named, with the reason.
  4    Declined, or --yes is missing where no terminal is.
  130  Interrupted; what was rebuilt stays so, what was begun was broken off.

Examples:
  rebuild_indexes get --database=@shop.url
  rebuild_indexes run --database=@shop.url --check
  rebuild_indexes run --table=orders --kind=invalid,leftover --database='postgres://repair@db.example/shop'
";

fn main() -> std::process::ExitCode {
    firebreak::action::run(USAGE, firebreak::indexes::go)
}
