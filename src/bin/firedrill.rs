//! `firedrill`: practise in an embedded world.

use std::process::ExitCode;

use firebreak::action;
use firebreak::drill::program;

const USAGE: &str = "Practise a rollback or a repair on this machine, in an embedded world.

Problem:
  What was never practised is tried for the first time when production burns.

Solution:
  Alone it walks you through a rollback of four services, in the world `transactions` through resolving those that were
  missed (it needs redis-server: `make tools`), in the world `indexes` through rebuilding those that are broken (it
  needs postgresql), or in the world `pipeline` through a test of a data pipeline that loses orders. `serve` keeps the
  drill up for commands of your own and prints the environment that leads them there. With a command behind `--` it
  runs that command against a drill. `proof` tells whether the services of a drill stand where they should.

Usage:
  firedrill [--world=<w>] [--platform=<p>] [--fault=<f>]...
  firedrill serve [--world=<w>] [--port=<n>] [--dcos] [--platform=<p>] [--fault=<f>]...
  firedrill proof --control=<url> [--env=<e>] [--before]
  firedrill [--world=<w>] [--platform=<p>] [--fault=<f>]... [--] <command>...
  firedrill -h | --help
  firedrill --version

Options:
  --world=<w>      What it is about: a broken release, missed transactions, broken indexes, or a data pipeline.
                   [choices: shop transactions indexes pipeline] [default: shop]
  --platform=<p>   What the services run on. [choices: marathon kubernetes] [default: marathon]
  --fault=<f>      Orders something to go wrong, see below. May be given more than once.

Options of serve:
  --port=<n>       The first of four free ports in a row; without it any free ones.
  --dcos           Put a DC/OS with its login in front of the Marathon.

Options of proof:
  --control=<url>  The drill to ask, as `serve` prints it. [env: FIREDRILL_CONTROL]
  --env=<e>        The environment of the services. [choices: dev stage prod] [default: dev]
  --before         Whether all is as the broken release left it, instead of as it was yesterday.

Faults:
  unhealthy=<service>       its new instances never get healthy
  hang[=<n>]                the next n deployments never end by themselves
  refuse=<service>[:400]    every change of it is refused (422; on kubernetes also 400)
  lock=<service>[:<ms>]     a deployment of others holds it (409), for so long or for ever
  change=<service>[:<n>]    others change it after its nth read
  lose-reply[=<n>]          the next n writes are carried out and not answered
  reset[=<n>]               the next n writes are cut off before they are carried out
  gone-at-write             the platform goes away at the next write
  gone                      the platform is gone: every request is cut off
  revert-to-zero=<service>  a revert leaves it with 0 instances (marathon alone)
  forbid                    the account may read and not write (403)
  quota=<service>           no new pod of it can be made (kubernetes alone)
  digests                   a webhook adds its digest to every image (kubernetes alone)
  registry-429[=<n>[:<s>]]  the registry answers 429 n times, Retry-After s (default 1)
  registry-503[=<n>]        the registry answers 503 n times
  bank-503[=<n>]            the bank answers 503 n times
  registry-lies             the registry's bytes do not match their digests
  registry-loops            the registry's pages of tags never end
  latency=<ms>              every request takes so much longer
  slack-fails               the webhook answers 500

  A service is named by the end of its application's id: `billing`, or `prod/shop/billing` for that one alone; on
  Kubernetes that is `prod/billing`.

Exit status:
  0    the services stand where they should; `serve`: it was ended by Ctrl-C or a signal
  1    they do not; or the drill could not be set up, or could not be asked
  2    the command line is wrong
  126  the command cannot be started
  127  the command is not there
  With a command: the command's own, 128 and the number of the signal that ended it.

Examples:
  firedrill
  firedrill --fault=unhealthy=billing
  firedrill --platform=kubernetes
  firedrill --world=transactions --fault=bank-503=20
  firedrill --world=indexes
  firedrill --world=pipeline
  firedrill serve --port=5000
  firedrill -- sh -c 'my-rollback-script && firedrill proof'
";

fn main() -> ExitCode {
    action::host(USAGE, async |args, context, console| program::go(args, context, console).await)
}
