//! Resolve missed transactions.

const USAGE: &str = "
Resolve missed transactions.

Problem:
  In a traffic peak the slaves lost the master. Transactions were not processed, and the slaves saved them in a queue.

Solution:
  `get` shows how many transactions wait in the queue, since when, of which issuer, which are malformed, and what the
  queue itself has lost; it takes none. `run` shows the plan, asks, and takes one after the other: the bank says whether
  it confirms, and the master stores the result, committed or cancelled. Only then the transaction leaves the queue.
  What the bank has not decided, or does not know, stays there, and is counted; what is malformed goes to a parking
  queue with the reason. Run it again at any time, also on another host meanwhile: each transaction has one effect,
  for the master knows it by a key. Every run is in a journal.

Symptoms:
  Transactions were missed, are stuck or not processed, after a traffic peak or when the master was lost
  The queue of missed transactions grows
  Customers paid and see no payment; a payment hangs as pending

Usage:
  resolve_transactions get --queue=<url> [--limit=<n>] [options]
  resolve_transactions run --bank=<b> [--issuer=<i>] --queue=<url> [--limit=<n>] [options]
  resolve_transactions -h | --help | --version

Options of get and run:
  --limit=<n>           Look at so many transactions, or resolve so many, at most.
  --queue=<url>         Where the transactions wait: redis://host:6379/stream?group=name, a stream of Redis, or
                        amqp://host:5672/vhost?queue=name, a queue of RabbitMQ; rediss:// and amqps:// for TLS.
                        [env: FIREBREAK_QUEUE] [secret]
  --services=<json>     The banks, the master, and where a message has its id, as docs/transactions.md says.
                        [env: FIREBREAK_SERVICES] [secret]

Options of run:
  --bank=<b>            The bank that confirms: one of the services' banks.
  --issuer=<i>          Whose transactions; those of others are left. [default: primary]
  --env=<env>           The environment that it is about; the name of a protected one is typed out.
  --slack=<url>         Tell this Slack webhook of the start, the results and the end. [env: FIREBREAK_SLACK] [secret]
  --timeout=<s>         Seconds that one step, such as a deployment, may take. [default: 600]
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

Services:
  A JSON object: `banks`, each by its name, `master`, and `message`. A bank and the master have `url`, `token` or `user`
  and `password`, `timeout` (seconds), `per_second` and `concurrency` (what they bear). Services that speak otherwise
  than docs/transactions.openapi.yaml say how in `confirmation`, `result` and `message`; docs/transactions.md has
  examples.

Verify:
  The message says how many were committed, cancelled, left and why, and parked. `get` shows what still waits. A second
  run asks only for what was left.

Undo:
  Not by this program: what the master stored is the bank's word.

Exit status:
  0    Done, or nothing to do; also where the bank has not decided, and transactions were left.
  1    Failed; what was done stays done, and the next run goes on.
  2    The command line is wrong.
  3    Transactions were refused, or are malformed: needs an operator. Each is named.
  4    Declined, or --yes is missing where no terminal is.
  130  Interrupted; what was done stays done.

Examples:
  resolve_transactions get --queue='redis://queue.example:6379/missed?group=master'
  resolve_transactions run --bank=north --queue=@queue.url --services=@services.json
";

fn main() -> std::process::ExitCode {
    firebreak::action::run_on(firebreak::action::Threads::EachCore, USAGE, firebreak::transactions::go)
}
