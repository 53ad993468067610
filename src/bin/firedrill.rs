//! `firedrill`: practise the rollback in an embedded world.

use std::process::ExitCode;

use anyhow::Context as _;
use firebreak::action::arguments::UsageError;
use firebreak::action::console::Console;
use firebreak::action::context::{Context, sibling, variable};
use firebreak::action::operator::Operator as _;
use firebreak::drill::faults::Fault;
use firebreak::drill::story::Stand;
use firebreak::drill::{Drill, Settings, practice};
use serde::Deserialize;

const USAGE: &str = "Practise a rollback: a registry, a Marathon and a Slack on this machine, and a release that broke.

Problem:
  A rollback that was never practised is tried for the first time when production burns.

Solution:
  Alone it walks you through a rollback of four services. `serve` keeps the drill up for commands of
  your own and prints the environment that leads them there. With a command it runs that command
  against a drill of its own. `proof` tells whether the services of a drill stand where they should.

Usage:
  firedrill [--fault=<f>]...
  firedrill serve [--port=<n>] [--fault=<f>]...
  firedrill proof [--env=<e>] [--before]
  firedrill [--fault=<f>]... [--] <command>...
  firedrill -h | --help
  firedrill --version

Options:
  --fault=<f>  Orders something to go wrong, see below. May be given more than once.

Options of serve:
  --port=<n>   The first of four free ports in a row; without it any free ones.

Options of proof:
  --env=<e>    The environment: dev, stage or prod. [choices: dev stage prod] [default: dev]
  --before     Whether all is as the broken release left it, instead of as it was yesterday.

Faults:
  unhealthy=<service>       its new instances never get healthy
  hang[=<n>]                the next n deployments never end by themselves
  refuse=<service>          every change of it is refused (422)
  lock=<service>[:<ms>]     somebody's deployment holds it (409), for so long or for ever
  change=<service>[:<n>]    somebody changes it after its nth read
  lose-reply[=<n>]          the next n writes are carried out and not answered
  reset[=<n>]               the next n writes are cut off before they are carried out
  gone-at-write             the platform goes away at the next write
  gone                      the platform is gone: every request is cut off
  revert-to-zero=<service>  a revert leaves it with 0 instances
  registry-429[=<n>[:<s>]]  the registry answers 429 n times, Retry-After s (default 1)
  registry-503[=<n>]        the registry answers 503 n times
  registry-lies             the registry's bytes do not match their digests
  registry-loops            the registry's pages of tags never end
  latency=<ms>              every request takes so much longer
  slack-fails               the webhook answers 500

  A service is named by the end of its application's id: `billing`, or `prod/shop/billing` for that one alone.

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
  firedrill serve --port=5000
  firedrill -- sh -c 'my-rollback-script && firedrill proof'
";

#[derive(Deserialize)]
struct Args {
    cmd_serve: bool,
    cmd_proof: bool,
    arg_command: Vec<String>,
    flag_fault: Vec<String>,
    flag_port: Option<u16>,
    flag_env: String,
    flag_before: bool,
}

fn main() -> ExitCode {
    firebreak::action::host(USAGE, async |args, context, console| go(args, context, console).await)
}

async fn go(args: Args, context: Context, console: &Console) -> anyhow::Result<u8> {
    if args.cmd_proof {
        let control = variable("FIREDRILL_CONTROL")
            .context("FIREDRILL_CONTROL is not set: take it from what `firedrill serve` printed")?;
        let stand = if args.flag_before { Stand::Broken } else { Stand::Good };
        let proof = practice::ask(&control, &args.flag_env, stand).await?;
        console.table(&practice::table(&proof));
        return Ok(u8::from(!proof.holds));
    }
    let faults = args.flag_fault.iter().map(|text| text.parse()).collect::<Result<Vec<Fault>, _>>();
    let faults = faults.map_err(|error| UsageError(format!("--fault: {error}")))?;
    let settings = Settings { port: args.flag_port.unwrap_or(0), faults, ..Settings::at(context.started) };
    let drill = Drill::start(settings).await?;
    if args.cmd_serve {
        let mut ends = practice::Ends::listen()?;
        console.print(&practice::exports(&drill));
        console.say("The drill is up. Ctrl-C ends it.");
        ends.any().await;
        return Ok(0);
    }
    if !args.arg_command.is_empty() {
        return practice::command(&drill, &args.arg_command, console).await;
    }
    let program = sibling("rollback_service").context("failed to find where this program is")?;
    let walk = practice::Walk { drill: &drill, operator: console, program };
    Ok(u8::from(!walk.go().await?))
}
