//! The program `firedrill`, behind its manual.

use anyhow::Context as _;
use serde::Deserialize;

use super::faults::Fault;
use super::story::Stand;
use super::{Drill, Platform, Settings, practice};
use crate::action::arguments::UsageError;
use crate::action::console::Console;
use crate::action::context::{Context, sibling};
use crate::action::interrupt::Ends;
use crate::action::operator::Operator as _;

/// The user and the password at the drill's DC/OS.
const DCOS: [&str; 2] = ["ops", "drill-dcos-password"];

/// What is said when the drill is up.
fn up(drill: &Drill) -> String {
    let has_login = drill.environment().iter().any(|(name, _)| name == "FIREDRILL_USER");
    let user = if has_login { " --user=$FIREDRILL_USER" } else { "" };
    format!(
        "The drill is up; Ctrl-C ends it. In another terminal paste the lines above, then:
  rollback_service get --repo=$FIREDRILL_REPO --env=develop --running=dev{user}
  rollback_service run --env=dev{user}"
    )
}

/// What the command line says.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command line")]
pub struct Args {
    cmd_serve: bool,
    cmd_proof: bool,
    arg_command: Vec<String>,
    flag_control: String,
    flag_fault: Vec<String>,
    flag_platform: Platform,
    flag_port: Option<u16>,
    flag_dcos: bool,
    flag_env: String,
    flag_before: bool,
}

/// Does what the command line says and gives the exit code.
///
/// # Errors
/// When the drill cannot be set up or asked, or the program that rolls back cannot be run.
pub async fn go(args: Args, context: Context, console: &Console) -> anyhow::Result<u8> {
    if args.cmd_proof {
        let stand = if args.flag_before { Stand::Broken } else { Stand::Good };
        let proof = practice::ask(&args.flag_control, &args.flag_env, stand).await?;
        console.table(&practice::table(&proof));
        return Ok(u8::from(!proof.holds));
    }
    let faults = args.flag_fault.iter().map(|text| text.parse()).collect::<Result<Vec<Fault>, _>>();
    let faults = faults.map_err(|error| UsageError(format!("--fault: {error}")))?;
    let (port, platform) = (args.flag_port.unwrap_or(0), args.flag_platform);
    if args.flag_dcos && platform != Platform::Marathon {
        return Err(UsageError("--dcos: a DC/OS has a Marathon, and no Kubernetes of the drill".to_owned()).into());
    }
    let login = args.flag_dcos.then(|| DCOS.map(str::to_owned).into());
    let settings = Settings { port, platform, faults, login, ..Settings::at(context.started) };
    // From here on a signal ends the drill by its own way out, which removes its files.
    let mut ends = Ends::listen()?;
    let drill = tokio::select! {
        drill = Drill::start(settings) => drill?,
        () = ends.any() => return Ok(1),
    };
    if args.cmd_serve {
        console.print(&practice::exports(&drill));
        console.say(&up(&drill));
        ends.any().await;
        return Ok(0);
    }
    if !args.arg_command.is_empty() {
        return Ok(practice::command(&drill, &args.arg_command, console, &mut ends).await);
    }
    let program = sibling("rollback_service").context("failed to find where this program is")?;
    let walk = practice::Walk { drill: &drill, operator: console, program, ends };
    Ok(u8::from(!walk.go().await?))
}
