//! What `firedrill` does with a drill: keeps it up, runs a command against it, walks a person through the rollback,
//! asks a drill that is kept up where its services stand.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context as _, anyhow};
use tokio::process::Command;

use super::pipeline::{self, Pipeline};
use super::story::{self, ShopState};
use super::world::World;
use super::{Drill, Platform, Proof};
use crate::action::interrupt::Ends;
use crate::action::operator::Operator;
use crate::action::report::{Cell, Table, Tone};
use crate::{http, temporary};

/// Variables that could lead a program of the toolkit somewhere else than into the drill, or carry a real secret there.
const FOREIGN: [&str; 9] = [
    "FIREBREAK_REGISTRY",
    "FIREBREAK_PLATFORM",
    "FIREBREAK_PWD",
    "FIREBREAK_REGISTRY_PWD",
    "FIREBREAK_SLACK",
    "FIREBREAK_JOURNAL",
    "FIREBREAK_QUEUE",
    "FIREBREAK_SERVICES",
    "KUBECONFIG",
];

/// The lines that a shell reads to be led to a drill: `export NAME=value`.
#[must_use]
pub fn exports(world: &dyn World) -> String {
    let lines = world
        .environment()
        .into_iter()
        .map(|(name, value)| format!("export {name}={}", shlex::try_quote(&value).unwrap_or_default()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Runs a command that the drill's environment leads to the drill, on this terminal, and gives its exit code: its own,
/// 128 and the signal's number if one ended it, 127 if there is no such program, 126 if it cannot be started.
///
/// Whatever `ends` the drill ends the command.
pub async fn command(world: &dyn World, words: &[String], operator: &dyn Operator, ends: &mut Ends) -> u8 {
    let Some((program, arguments)) = words.split_first() else { return 0 };
    match run(world, OsStr::new(program), arguments, None, ends).await {
        Ok(status) => code(status),
        Err(error) => {
            operator.say(&format!("failed to start '{program}': {error}"));
            if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }
        }
    }
}

/// The exit code that a shell would show.
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// Runs a program to its end.
async fn run(
    world: &dyn World,
    program: &OsStr,
    arguments: &[String],
    cache: Option<&Path>,
    ends: &mut Ends,
) -> std::io::Result<ExitStatus> {
    let mut command = Command::new(program);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.args(arguments).envs(world.environment()).stdin(Stdio::inherit()).kill_on_drop(true);
    command.envs(cache.map(|folder| ("XDG_CACHE_HOME", folder)));
    let mut child = command.spawn()?;
    // A Ctrl-C is the program's to answer: it is heard so that it does not end us, and we wait for the program.
    tokio::select! {
        status = child.wait() => return status,
        () = ends.other() => {}
    }
    // Who ends the drill takes the world away from the program: there is nothing left for it to put right.
    let _ = child.start_kill();
    child.wait().await
}

/// Runs a program of the toolkit as a person would type it; its exit code.
async fn typed(
    world: &dyn World,
    operator: &dyn Operator,
    program: &Path,
    words: &[String],
    cache: Option<&Path>,
    ends: &mut Ends,
) -> anyhow::Result<u8> {
    let name = program.file_name().unwrap_or_default().display();
    operator.say(&format!("$ {name} {}", words.join(" ")));
    let status = run(world, program.as_os_str(), words, cache, ends).await.map_err(|error| {
        anyhow!("failed to start '{}', which should be beside this program: {error}", program.display())
    })?;
    operator.say("");
    Ok(code(status))
}

/// The walk through a rollback.
pub struct PracticeSession<'a> {
    /// The drill that it happens in.
    pub drill: &'a Drill,
    /// Whom it is told, and who chooses if there is somebody.
    pub operator: &'a dyn Operator,
    /// The program that rolls back.
    pub program: PathBuf,
    /// What ends the drill before its time.
    pub ends: Ends,
}

impl PracticeSession<'_> {
    /// Shows the broken shop, looks, goes back, and says how it ended: whether the services stand as they should.
    ///
    /// # Errors
    /// When the program that rolls back cannot be run.
    pub async fn go(mut self) -> anyhow::Result<bool> {
        let operator = self.operator;
        let say = |text: &str| operator.say(text);
        let day = story::good_day(self.drill.settings.now);
        let platform = match self.drill.settings.platform {
            Platform::Marathon => "a Marathon",
            Platform::Kubernetes => "a Kubernetes",
        };
        say(&format!(
            "This is a drill. A registry, {platform} and a Slack run on this machine only; nothing here is real.\n"
        ));
        say(
            "A shop runs four services in its environment `dev`, one of them with a worker besides. They were released",
        );
        say("today, and since then customers cannot pay. This is what runs:\n");
        let rows = self.proof(ShopState::Broken)?.services.into_iter();
        let rows = rows.map(|standing| vec![standing.service.into(), standing.found.into()]);
        let head = vec!["workload".to_owned(), "runs".to_owned()];
        self.operator.show(&Table { title: String::new(), head, rows: rows.collect(), legend: Vec::new() });

        let folder = temporary::folder()?;
        let dump = format!("--dump={}", folder.path().display());
        let repo = format!("--repo={}", story::SERVICES.join(","));
        say("Step 1 of 2, look: which days can be gone back to? Nothing is changed by this.\n");
        let words = ["get", &repo, "--env=develop", "--running=dev", &dump].map(str::to_owned);
        if self.step(&words, folder.path()).await? != 0 {
            return self.end("The look failed, so nothing was changed.");
        }

        say(&format!("Everything was well on {day}, yesterday. `orders` was not built on that day: its cell comes"));
        say("from the day before, for the old and the new must not be mixed.\n");
        say("Step 2 of 2, act: go back to that day. The plan is shown before anything is written.");
        // Deployments of the drill take a second: one that takes longer never ends.
        let mut words = ["run", "--env=dev", "--timeout=15", &dump].map(str::to_owned).to_vec();
        if self.operator.present() {
            say(&format!("It asks you for the day: choose {day}. Then it shows the plan and asks for your yes.\n"));
        } else {
            say("There is no terminal to ask at, so the day and the yes are given on the command line.\n");
            words.extend([format!("--date={day}"), "--yes".to_owned()]);
        }
        let code = self.step(&words, folder.path()).await?;
        self.end(&format!("`rollback_service run` ended with exit code {code}."))
    }

    async fn step(&mut self, words: &[String], cache: &Path) -> anyhow::Result<u8> {
        typed(self.drill, self.operator, &self.program, words, Some(cache), &mut self.ends).await
    }

    fn end(&self, how: &str) -> anyhow::Result<bool> {
        let proof = self.proof(ShopState::Good)?;
        self.operator.show(&table(&proof));
        let day = story::good_day(self.drill.settings.now);
        if proof.holds {
            self.operator.say(&format!("{how} All four services stand as they did on {day}: the fire is out."));
        } else if self.proof(ShopState::Broken)?.holds {
            self.operator.say(&format!("{how} The services run as before: still today's broken release."));
        } else {
            self.operator.say(&format!("{how} The services do not stand as they did on {day}: see above."));
        }
        Ok(proof.holds)
    }

    fn proof(&self, stand: ShopState) -> anyhow::Result<Proof> {
        self.drill.proof("dev", stand).context("the story has no environment 'dev'")
    }
}

/// The walk through missed transactions; whether each is where it should be in the end.
///
/// # Errors
/// When the program that resolves them cannot be run.
pub async fn resolve(world: &dyn World, operator: &dyn Operator, program: &Path, ends: Ends) -> anyhow::Result<bool> {
    let walk = RepairWalk {
        story: [
            "This is a drill. A Redis, a bank, a master and a Slack run on this machine only; nothing here is real.\n",
            "Under load the slaves lost the master, and saved what they could not process in a queue.\n",
            "Step 1 of 2, look: nothing is taken from the queue by this.\n",
        ],
        words: &["--bank=north", "--env=dev"],
        command: "resolve_transactions run",
        ends: ["Each transaction is where it should be.", "Not each is where it should be: see above."],
    };
    walk.go(world, operator, program, ends).await
}

/// The walk through broken indexes; whether all are well in the end.
///
/// # Errors
/// When the program that rebuilds them cannot be run.
pub async fn rebuild(world: &dyn World, operator: &dyn Operator, program: &Path, ends: Ends) -> anyhow::Result<bool> {
    let walk = RepairWalk {
        story: [
            "This is a drill. A PostgreSQL, an application that writes and a Slack run on this machine only; nothing here is real.\n",
            "Most orders were archived, and an index of the customers' addresses was made while two of them had the same.\n",
            "Step 1 of 2, look: nothing is changed by this.\n",
        ],
        words: &["--env=dev"],
        command: "rebuild_indexes run",
        ends: ["All indexes are well, and no order was refused.", "Not all is as it should be: see above."],
    };
    walk.go(world, operator, program, ends).await
}

/// The walk through a data pipeline that loses orders; whether none is lost in the end.
///
/// # Errors
/// When the program that tests cannot be run.
pub async fn test(world: &Pipeline, operator: &dyn Operator, program: &Path, mut ends: Ends) -> anyhow::Result<bool> {
    let [tests, inventory] = [world.tests(), world.inventory()].map(|path| path.display().to_string());
    let words = |command: &str| [command, &tests, "--inventory", &inventory].map(str::to_owned);
    operator.say("This is a drill. A source of orders, a pipeline and a warehouse run on this machine only; nothing here is real.\n");
    operator.say("Each run of the pipeline ends well, and the sums of the days are too small. Its newest release came yesterday.\n");
    operator.say("Step 1 of 3, look: this reads the tests, and runs none.\n");
    if typed(world, operator, program, &words("get"), None, &mut ends).await? != 0 {
        operator.say("The look failed, so no test was run.");
        return Ok(false);
    }
    operator.say(
        "Step 2 of 3, test: this puts orders in, runs the pipeline and looks into the warehouse. It is to fail.\n",
    );
    let before = typed(world, operator, program, &words("run"), None, &mut ends).await?;
    operator.say("Step 3 of 3, mend: the release before runs now, and the same test again.\n");
    world.release(pipeline::GOOD);
    let after = typed(world, operator, program, &words("run"), None, &mut ends).await?;
    let proof = world.proof("dev", ShopState::Good).context("the story has no environment 'dev'")?;
    operator.show(&table(&proof));
    let is_well = proof.holds && (before, after) == (1, 0);
    let end = if is_well { "No order is left out." } else { "Not all is as it should be: see above." };
    operator.say(&format!("`test_pipeline run` ended with exit code {before}, and then with {after}. {end}"));
    Ok(is_well)
}

/// A walk through a repair: look, act, and the proof.
struct RepairWalk {
    story: [&'static str; 3],
    /// What `run` is given.
    words: &'static [&'static str],
    command: &'static str,
    /// What is said in the end: where all is well, and where not.
    ends: [&'static str; 2],
}

impl RepairWalk {
    async fn go(
        &self,
        world: &dyn World,
        operator: &dyn Operator,
        program: &Path,
        mut ends: Ends,
    ) -> anyhow::Result<bool> {
        for sentence in self.story {
            operator.say(sentence);
        }
        if typed(world, operator, program, &["get".to_owned()], None, &mut ends).await? != 0 {
            operator.say("The look failed, so nothing was changed.");
            return Ok(false);
        }
        operator.say("Step 2 of 2, act.\n");
        let yes = Some("--yes").filter(|_| !operator.present());
        let words = ["run"].into_iter().chain(yes).chain(self.words.iter().copied()).map(str::to_owned);
        let code = typed(world, operator, program, &words.collect::<Vec<_>>(), None, &mut ends).await?;
        let proof = world.proof("dev", ShopState::Good).context("the story has no environment 'dev'")?;
        operator.show(&table(&proof));
        let [well, ill] = self.ends;
        let end = if proof.holds { well } else { ill };
        operator.say(&format!("`{}` ended with exit code {code}. {end}", self.command));
        Ok(proof.holds)
    }
}

/// A proof for people.
#[must_use]
pub fn table(proof: &Proof) -> Table {
    let head = ["what", "is", "should be", ""].map(str::to_owned).to_vec();
    let rows = proof.services.iter().map(|standing| {
        let verdict = match standing.wrong.as_slice() {
            [] => Cell::new(Tone::Good, "✓"),
            wrong => Cell::new(Tone::Bad, format!("✗ {}", wrong.join(", "))),
        };
        vec![standing.service.as_str().into(), standing.found.as_str().into(), standing.wanted.as_str().into(), verdict]
    });
    Table { title: String::new(), head, rows: rows.collect(), legend: Vec::new() }
}

/// Asks a drill that is kept up, at its [control port](Drill::control), where the services of an environment stand.
///
/// # Errors
/// When it cannot be reached, or knows no such environment.
pub async fn ask(control: &str, environment: &str, stand: ShopState) -> anyhow::Result<Proof> {
    let before = stand == ShopState::Broken;
    let url = url::Url::parse_with_params(
        &format!("{control}/proof"),
        [("environment", environment), ("before", &before.to_string())],
    );
    let url = url.with_context(|| format!("'{control}' is not the address of a drill"))?;
    let failed = || format!("failed to ask the drill at {control}; is `firedrill serve` still running?");
    let client = http::client(&http::Trust::default())?;
    let answer = client.get(url).send().await.with_context(failed)?;
    if !answer.status().is_success() {
        let why = answer.text().await.with_context(failed)?;
        return Err(anyhow!("the drill at {control} refuses: {}", why.trim()));
    }
    answer.json().await.with_context(failed)
}
