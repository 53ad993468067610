//! Move the leadership of a cluster to another member.

const USAGE: &str = "
Move the leadership of a cluster to another member.

Problem:
  The member that leads a cluster (etcd, PostgreSQL under Patroni) answers late, its host needs maintenance, or it is
  in the wrong place. It still answers, so the cluster elects no other by itself.

Solution:
  `get` shows the members: who leads in which term, who is healthy, how far each is behind, versions, alarms, and what
  makes it dangerous to move the leadership. `run` moves it to the named member, or to the best of the others: the one
  that is least behind, and the quickest to answer. It probes that member first, shows the plan, asks, has the leader
  hand over in order, and asks a majority who leads then. It refuses without a quorum, while an alarm is raised, where
  members belong to several clusters, and a target that does not answer, is behind, or only learns; nothing overrides
  that. The report says for how long clients were not served. Every run is in a journal. `undo` moves the leadership
  back; `resume` ends a run that died.

Symptoms:
  The leader of the etcd cluster lags: etcd warns that requests took too long
  The host of the leader, or of PostgreSQL's primary under Patroni, needs maintenance
  A new leader must be elected: a manual failover or switchover to a replica

Usage:
  reelect_leader get --cluster=<url> [options]
  reelect_leader run [--to=<member>] --cluster=<url> [options]
  reelect_leader undo [--run=<id>] --cluster=<url> [options]
  reelect_leader resume [--run=<id>] --cluster=<url> [options]
  reelect_leader -h | --help | --version

Options of run:
  --to=<member>         The member that is to lead, by its name or id; without it the best of the others.

Options of get and run:
  --max-lag=<n>         How far behind the leader it may be; for etcd in entries, else 1000; for Patroni in bytes, else
                        1048576.

Options of undo and resume:
  --run=<id>            The run; without it the last one. `firebreak history` shows them.

Options of run, undo and resume:
  --env=<env>           The environment that it is about; the name of a protected one is typed out.
  --slack=<url>         Tell this Slack webhook of the start, the results and the end. [env: FIREBREAK_SLACK] [secret]
  --timeout=<s>         Seconds that one step, such as a deployment, may take. [default: 600]
  --check               Plan and stop: change nothing.
  --yes                 Do not ask. Needed where no terminal is.
  --journal=<dir>       Where runs are kept, if not in ~/.local/state/firebreak. [env: FIREBREAK_JOURNAL]

General options:
  --cluster=<url>       The cluster, by one or more of its members: etcd+https://host:2379,host:2379 or
                        patroni+https://host:8008,host:8008; with http as well; with user:password@ before the hosts.
                        [env: FIREBREAK_CLUSTER] [secret]
  --cert=<file>         Show the members this certificate, in PEM: etcd with --client-cert-auth wants one.
  --key=<file>          The key of that certificate, in PEM.
  --cacert=<file>       Trust the certificates in this PEM file as well: authorities', or a server's own.
  --insecure            Trust any certificate. Never do this in production.
  --format=<f>          Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help            Show this text.
  --version             Show the version.

A secret is best given as @path, the name of a file that holds it: everybody on the host sees a command line.

Verify:
  The message says who led before and who leads now, and for how long clients were not served. `get` shows the members.
  Look at what made you act.

Undo:
  `reelect_leader undo`, or run it with the name of who led before.

Exit status:
  0    Done, or nothing to do.
  1    Failed or refused; nothing was changed, or the leadership was moved back.
  2    The command line is wrong.
  3    Another member leads than planned, or none: needs an operator.
  4    Declined, or --yes is missing where no terminal is.
  130  Interrupted; nothing was changed, or all was restored. A second interrupt leaves half-way.

Examples:
  reelect_leader get --cluster=etcd+http://etcd1.example:2379,etcd2.example:2379
  reelect_leader run --to=etcd2 --cluster=@cluster.url
  reelect_leader undo --cluster=@cluster.url
";

fn main() -> std::process::ExitCode {
    firebreak::action::run(USAGE, firebreak::leaders::go)
}
