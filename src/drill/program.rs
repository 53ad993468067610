//! The program `firedrill`, behind its manual.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use super::faults::Fault;
use super::indexes::Indexes;
use super::pipeline::Pipeline;
use super::story::ShopState;
use super::transactions::Transactions;
use super::world::{Name, World};
use super::{Drill, Platform, Settings, practice};
use crate::action::arguments::UsageError;
use crate::action::console::Console;
use crate::action::context::{Context, sibling};
use crate::action::interrupt::Ends;
use crate::action::operator::Operator as _;

/// The user and the password at the drill's DC/OS.
const DCOS: [&str; 2] = ["ops", "drill-dcos-password"];

/// What is said when the drill is up.
fn up(world: &dyn World) -> String {
    format!("The drill is up; Ctrl-C ends it. In another terminal paste the lines above, then:\n{}", world.commands())
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
    flag_world: Name,
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
        let stand = if args.flag_before { ShopState::Broken } else { ShopState::Good };
        let proof = practice::ask(&args.flag_control, &args.flag_env, stand).await?;
        console.table(&practice::table(&proof));
        return Ok(u8::from(!proof.holds));
    }
    let faults = args.flag_fault.iter().map(|text| text.parse()).collect::<Result<Vec<Fault>, _>>();
    let faults = faults.map_err(|error| UsageError(format!("--fault: {error}")))?;
    let port = args.flag_port.unwrap_or(0);
    // From here on a signal ends the drill by its own way out, which removes its files.
    let mut ends = Ends::listen()?;
    if args.flag_world != Name::Shop && (args.flag_dcos || args.flag_platform != Platform::default()) {
        let world = match args.flag_world {
            Name::Indexes => "indexes",
            Name::Pipeline => "pipeline",
            Name::Shop | Name::Transactions => "transactions",
        };
        return Err(UsageError(format!("--dcos and --platform: the world '{world}' has no platform")).into());
    }
    match args.flag_world {
        Name::Shop => {}
        Name::Indexes => {
            let starting = Indexes::start(port, &faults);
            let practise =
                async |world: &Indexes, program: &Path, ends| practice::rebuild(world, console, program, ends).await;
            return played(starting, "rebuild_indexes", practise, &args, console, ends).await;
        }
        Name::Pipeline => {
            let starting = Pipeline::start(port, &faults);
            let practise =
                async |world: &Pipeline, program: &Path, ends| practice::test(world, console, program, ends).await;
            return played(starting, "test_pipeline", practise, &args, console, ends).await;
        }
        Name::Transactions => {
            let starting = Transactions::start(port, &faults);
            let practise = async |world: &Transactions, program: &Path, ends| {
                practice::resolve(world, console, program, ends).await
            };
            return played(starting, "resolve_transactions", practise, &args, console, ends).await;
        }
    }
    let platform = args.flag_platform;
    if args.flag_dcos && platform != Platform::Marathon {
        return Err(UsageError("--dcos: a DC/OS has a Marathon, and no Kubernetes of the drill".to_owned()).into());
    }
    let login = args.flag_dcos.then(|| DCOS.map(str::to_owned).into());
    let settings = Settings { port, platform, faults, login, ..Settings::at(context.started) };
    let drill = tokio::select! {
        drill = Drill::start(settings) => drill?,
        () = ends.any() => return Ok(1),
    };
    if let Some(code) = lent(&drill, &args, console, &mut ends).await {
        return Ok(code);
    }
    let program = sibling("rollback_service").context("failed to find where this program is")?;
    let walk = practice::PracticeSession { drill: &drill, operator: console, program, ends };
    Ok(u8::from(!walk.go().await?))
}

/// Starts a world, and lends it to who asked for that, or practises a program there; the exit code.
async fn played<W: World>(
    starting: impl Future<Output = anyhow::Result<W>>,
    program: &str,
    practise: impl AsyncFnOnce(&W, &Path, Ends) -> anyhow::Result<bool>,
    args: &Args,
    console: &Console,
    mut ends: Ends,
) -> anyhow::Result<u8> {
    let world = tokio::select! {
        world = starting => world?,
        () = ends.any() => return Ok(1),
    };
    if let Some(code) = lent(&world, args, console, &mut ends).await {
        return Ok(code);
    }
    let program = sibling(program).context("failed to find where this program is")?;
    Ok(u8::from(!practise(&world, &program, ends).await?))
}

/// Lends a world to who asked for that: kept up, or for one command. None: nobody did.
async fn lent(world: &dyn World, args: &Args, console: &Console, ends: &mut Ends) -> Option<u8> {
    if args.cmd_serve {
        console.print(&practice::exports(world));
        console.say(&up(world));
        ends.any().await;
        return Some(0);
    }
    if args.arg_command.is_empty() {
        return None;
    }
    Some(practice::command(world, &args.arg_command, console, ends).await)
}
