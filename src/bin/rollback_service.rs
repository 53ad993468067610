//! Roll back a set of services to a date.

const USAGE: &str = "
Roll back a set of services to a date.

Problem:
  A release of several services is broken. They fit only one another, so they must go back together, also those
  that did not change on that day.

Solution:
  `get` reads from the registry when each image was built, and from the platform what ran; it shows the dates that
  can be gone back to, and writes them to rollback.json. `run` takes for each service its newest image built on that
  day or before, or with --by=ran what ran at its end, checks that it is still there, shows the plan, asks, and deploys
  the set as one: every workload that runs an image of these services, workers and cron jobs as well. It verifies what
  runs; where one fails, the whole set is taken back. A workload with the label `firebreak.io/hold` (on Kubernetes the
  annotation as well; `false` is none) is left as it is, and named. Every run is in a journal.
  `undo` restores what the last run changed. `resume` finishes a run that died, or takes it back.

Symptoms:
  Yesterday's release is broken; its services fit only one another and must go back together
  Since a deployment or an upgrade users see errors (500, 502, 503), or the site is down
  Containers keep crashing: CrashLoopBackOff, ImagePullBackOff, OOMKilled since a release
  A tag was moved, and services run a wrong version

Usage:
  rollback_service get --repo=<r> --env=<e> --registry=<url> [options]
  rollback_service run [--date=<d>] --env=<e> --platform=<url> [options]
  rollback_service undo [--run=<id>] --env=<e> --platform=<url> [options]
  rollback_service resume [--run=<id>] --env=<e> --platform=<url> [options]
  rollback_service -h | --help | --version

Options of get:
  --repo=<r>            Repositories of the services, separated by commas: billing,orders,team/web.
  --env=<image-env>     The environment at the end of the images' tags: develop, stage, master.
  --immutable-tags      Tags never move in this registry: ask only for those that are new.
  --running=<env>       The environment in the names of the running services, to read what ran; else that of --env.
  --keep=<n>            How many dates to offer, the newest first. [default: 10]

Options of run:
  --date=<d>            A day (2026-11-20: UTC, its end) or an instant (2026-11-20T18:00:00Z). A terminal offers
                        the dates that `get` found. [found: rollbacks]
  --by=<what>           Images by when they were built, or by what ran then. [choices: built ran] [default: built]
  --only=<names>        Set only these workloads of the set, by their names: billing,billing-worker.
  --allow-partial       Leave services as they are that have no image that old, or none known, rather than refuse.
  --pin                 Write repository@digest rather than repository:tag.

Options of run, undo and resume:
  --env=<env>           The environment in the names of the running services: dev, stage, prod.
  --slack=<url>         Tell this Slack webhook of the start, the results and the end. [env: FIREBREAK_SLACK] [secret]
  --timeout=<s>         Seconds that one step, such as a deployment, may take. [default: 600]
  --check               Plan and stop: change nothing.
  --yes                 Do not ask. Needed where no terminal is.

Options of undo and resume:
  --run=<id>            The run; without it the last one. `firebreak history` shows them.

Options of get and run:
  --dump=<dir>          Where `get` writes rollback.json and `run` reads it. [keeps: rollback.json] [default: .]

General options:
  --journal=<dir>       Where runs are kept, if not in ~/.local/state/firebreak. [env: FIREBREAK_JOURNAL]
  --platform=<url>      Where the services run: marathon+https://host, kubernetes://context/namespace,
                        podman+unix:///path/to/socket, docker+unix:///path/to/socket. [env: FIREBREAK_PLATFORM]
  --user=<u>            The user at DC/OS. Kubernetes has its own in the kubeconfig.
  --pwd=<p>             The password at DC/OS. [env: FIREBREAK_PWD] [secret]
  --registry=<url>      The registry: https://host. After `get` the same, if not given. [env: FIREBREAK_REGISTRY]
  --registry-user=<u>   The user at the registry.
  --registry-pwd=<p>    The password at the registry. [env: FIREBREAK_REGISTRY_PWD] [secret]
  --cacert=<file>       Trust the certificates in this PEM file as well: authorities', or a server's own. Not for
                        Kubernetes.
  --insecure            Trust any certificate. Never do this in production. Not for Kubernetes.
  --format=<f>          Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help            Show this text.
  --version             Show the version.

A secret is best given as @path, the name of a file that holds it: everybody on the host sees a command line.

Verify:
  The message says how many services were rolled back and verified, and how many workloads those are; what has no
  instances is set, and said not to be verified. A second run has nothing to do. Look at what made you act.

Undo:
  `rollback_service undo`, or run it with a later date: that of the broken release takes every service to it.

Exit status:
  0    Done, or nothing to do.
  1    Failed; nothing was changed, or all was restored.
  2    The command line is wrong.
  3    Changed in part: needs an operator. Each service is named.
  4    Declined, or --yes is missing where no terminal is.
  130  Interrupted; nothing was changed, or all was restored. A second interrupt leaves half-way.

Examples:
  rollback_service get --repo=billing,orders,users,web --env=develop --registry=https://registry.example
  rollback_service run --date=2026-11-20 --env=dev --platform=marathon+https://dcos.example --user=ops --pwd=@pwd
";

fn main() -> std::process::ExitCode {
    firebreak::action::run(USAGE, firebreak::rollback::go)
}
