//! A set of the smallest kind: every file of a folder gets the same content, or every file keeps its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use firebreak::action::context::Context;
use firebreak::action::report::{Finding, Outcome};
use firebreak::action::runner::{Execution, Found, PLAIN, Recovery, Row, SetPlan, UNDOES, Vocabulary, end_run};
use firebreak::action::{self, standard::Standard};
use firebreak::journal::{Answer, Call, Ledger};
use firebreak::port::{self, DeployError, NoRemoteLock, Settable, Standing};
use firebreak::watch::Watch;
use serde_json::json;

const USAGE: &str = include_str!("set_files.txt");
const WORDS: Vocabulary =
    Vocabulary { one: "file", many: "files", row: "file", value: "content", changed: "set", ..PLAIN };

#[derive(Debug, serde::Deserialize)]
struct Args {
    cmd_get: bool,
    cmd_undo: bool,
    cmd_resume: bool,
    arg_standard: Standard,
    flag_folder: PathBuf,
    flag_to: Option<String>,
    flag_run: Option<String>,
    flag_pace: u64,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Change {
    name: String,
    before: String,
    after: String,
}

impl port::Change for Change {
    fn subject(&self) -> &str {
        &self.name
    }
    fn id(&self) -> &str {
        &self.name
    }
    fn before(&self) -> String {
        self.before.clone()
    }
    fn after(&self) -> &str {
        &self.after
    }
}

struct Files {
    folder: PathBuf,
    pace: Duration,
    ledger: Arc<dyn Ledger>,
    own: Mutex<BTreeSet<String>>,
}

impl Files {
    async fn set(&self, change: &Change, from: &str, to: &str) -> anyhow::Result<()> {
        anyhow::ensure!(self.content(&change.name)? == from, "{} was changed meanwhile", change.name);
        let call = self.ledger.intent("set", json!({ "name": change.name }))?;
        self.own.lock().expect("no panic").insert(change.name.clone());
        tokio::time::sleep(self.pace).await;
        let new = self.folder.join(format!(".{}", change.name));
        std::fs::write(&new, to)?;
        tokio::time::sleep(self.pace).await;
        std::fs::rename(new, self.folder.join(&change.name))?;
        self.ledger.answer(call, Answer::Taken(json!({})));
        Ok(())
    }

    fn content(&self, name: &str) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.join(name))?)
    }

    fn changes(&self, to: &str) -> anyhow::Result<Vec<Row<Change>>> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(&self.folder)? {
            names.insert(entry?.file_name().to_string_lossy().into_owned());
        }
        let row = |name: String| {
            let change = Change { before: self.content(&name)?, name, after: to.to_owned() };
            let is_there = change.before == to;
            Ok(Row { change: (!is_there).then(|| change.clone()), ..Row::of(change, Vec::new()) })
        };
        names.into_iter().filter(|name| !name.starts_with('.')).map(row).collect()
    }
}

#[async_trait]
impl Settable for Files {
    type Change = Change;

    fn recall(&self, calls: &[Call]) {
        *self.own.lock().expect("no panic") =
            calls.iter().filter_map(|call| call.about["name"].as_str().map(str::to_owned)).collect();
    }
    fn wrote(&self, change: &Change) -> bool {
        self.own.lock().expect("no panic").contains(&change.name)
    }
    fn by_hand(&self, change: &Change) -> String {
        format!("printf %s '{}' >'{}'", change.before, self.folder.join(&change.name).display())
    }
    fn look_into(&self, change: &Change) -> String {
        format!("cat '{}'", self.folder.join(&change.name).display())
    }
    async fn deploy(&self, changes: &[Change], _: Duration, _: &dyn Watch) -> Result<(), DeployError> {
        for change in changes {
            self.set(change, &change.before, &change.after).await.map_err(|error| match changes {
                _ if changes.iter().any(|change| self.wrote(change)) => DeployError::Sent(error),
                _ => DeployError::NothingSent(error),
            })?;
        }
        Ok(())
    }
    async fn arrive(&self, _: &[Change], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
        Ok(())
    }
    async fn look(&self, changes: &[Change]) -> anyhow::Result<Vec<Standing>> {
        let standing = |change: &Change| match self.content(&change.name) {
            // A content of this word is what never gets well.
            Ok(content) if content == change.after && content == "sick" => {
                Standing::Unwell { value: content, why: "it is sick".to_owned() }
            }
            Ok(content) if content == change.after => Standing::Target,
            Ok(content) if content == change.before => Standing::Before { trouble: None },
            Ok(value) => Standing::Other { value },
            Err(_) => Standing::Gone,
        };
        Ok(changes.iter().map(standing).collect())
    }
    async fn go_back(&self, changes: &[Change], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
        for change in changes.iter().filter(|change| self.wrote(change)) {
            if self.content(&change.name)? == change.after {
                self.set(change, &change.after, &change.before).await?;
            }
        }
        Ok(())
    }
    async fn clean_up(&self, _: &[Change]) -> anyhow::Result<()> {
        Ok(())
    }
}

async fn go(args: Args, context: Context) -> anyhow::Result<Finding> {
    let (folder, pace) = (args.flag_folder.clone(), Duration::from_millis(args.flag_pace));
    let files = Files { folder, pace, ledger: context.journal.clone(), own: Mutex::default() };
    let (folder, notifier) = (NoRemoteLock(args.flag_folder.display().to_string()), args.arg_standard.notifier()?);
    let scope = args.arg_standard.scope(&folder, WORDS, &notifier, &context)?;
    let (mut to, mut purpose) = (args.flag_to.clone().unwrap_or_default(), "to what is asked".to_owned());
    if args.cmd_undo || args.cmd_resume {
        let recovery = if args.cmd_undo { Recovery::Undo } else { Recovery::Resume };
        match recovery.find(args.flag_run.as_deref(), &scope).await? {
            Found::Nothing(finding) => return Ok(*finding),
            Found::Died(run) => return end_run(&scope, &files, &run, recovery).await,
            Found::Ended(run) => {
                let recorded = firebreak::action::runner::Recorded::<Change>::read(&run)?;
                (to, purpose) = (recorded.steps[0].change.before.clone(), format!("{UNDOES}{}", run.id));
            }
        }
    }
    let rows = files.changes(&to)?;
    let title = format!("The plan: {purpose}");
    let announcement = format!("{} sets the files {purpose}", context.who);
    let plan = SetPlan::of(rows, purpose, title, announcement, WORDS);
    if args.cmd_get {
        let mut finding = Finding::new(Outcome::Done, WORDS.count(plan.rows.len()));
        finding.tables = vec![plan.table];
        return Ok(finding);
    }
    context.journal.begin()?;
    if let Some(refusal) = scope.refusal()? {
        return Ok(refusal);
    }
    let execution = Execution { scope, port: &files, plan };
    execution.go(|| Finding::new(Outcome::NothingToDo, "every file is so already: nothing to do")).await
}

fn main() -> std::process::ExitCode {
    action::run(USAGE, go)
}
