//! Every command that a README shows is run, as it stands there: the programs and playbooks against a drill. Each must say
//! what it is there for, and leave the services as it should: see [`Commands::does`].
//!
//! Only three things are put in the place of others: the dates by the drill's day, the inventory by the local one, and
//! `make` targets that would run this test again by a look whether they are there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use firebreak::drill::story::ShopState;

use crate::support::ansible::AnsibleSandbox;
use crate::support::core::Core;
use crate::support::program::{DrillFixture, PROGRAM};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of the blocks marked `sh` in a file of Markdown, and the playbooks that are called in the middle of a text.
pub fn commands(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let blocks = text.split("\n```sh\n").skip(1).map(|block| block.split("\n```").next().unwrap_or_default());
    let joined: Vec<String> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    let lines = joined.iter().flat_map(|block| block.lines()).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned);
    let inline = text.split('`').filter(|code| code.starts_with("ansible-playbook -i ")).map(str::to_owned);
    lines.chain(inline).collect()
}

/// The first block of YAML in a README that begins with these words.
pub fn block(readme: &str, begins: &str) -> String {
    let blocks = readme.split("\n```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let found =
        blocks.map(|block| block.to_owned() + "\n").find(|block| block.trim_start_matches("---\n").starts_with(begins));
    found.unwrap_or_else(|| panic!("no block of YAML begins with '{begins}'"))
}

/// Where the commands of one README run: a copy of the playbooks, and the programs on the path.
struct Commands {
    fixture: DrillFixture,
    ansible: AnsibleSandbox,
    /// How the services must stand by what was run so far.
    stand: ShopState,
}

impl Commands {
    async fn set_up() -> Self {
        Self {
            fixture: DrillFixture::open(&[]).await,
            ansible: AnsibleSandbox::with(PROGRAM.as_ref()),
            stand: ShopState::Broken,
        }
    }

    fn replaced(&self, line: &str) -> String {
        let line = line.replace("2026-11-20", &self.fixture.day());
        ["dev", "stage", "prod"].iter().fold(line, |line, name| {
            line.replace(&format!("-i inventories/{name} "), "-i inventories/local ")
                .replace(&format!("-i inventories/{name}/hosts.ini "), "-i inventories/local/hosts.ini ")
        })
    }

    /// Runs a line in a shell; its output, which must be that of a success.
    fn run(&self, line: &str) -> String {
        let programs = Path::new(PROGRAM).parent().expect("the folder of the programs");
        let path = std::env::var("PATH").expect("a PATH");
        let path = format!("{}:{}:{path}", programs.display(), root().join(".venv/bin").display());
        let mut command = self.ansible.command(&[]);
        let environment: Vec<_> = command.get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
        let mut shell = Command::new("sh");
        shell.args(["-euc", &self.replaced(line)]).current_dir(self.ansible.folder.path()).env_clear();
        for (name, value) in environment {
            shell.env(name, value.unwrap_or_default());
        }
        command = shell;
        command.env("PATH", path).envs(self.fixture.drill.environment());
        let played = AnsibleSandbox::end(command);
        assert_eq!(played.code, 0, "`{line}`:\n{}", played.text);
        played.text
    }

    /// Runs a command: it says what the README shows it for, and the services stand as it should leave them.
    fn does(&mut self, line: &str, called: &str) {
        let said = self.run(called);
        let has = |word: &str| line.split_whitespace().any(|found| found == word);
        let looks = has("--check") || has("--help") || line.starts_with("fire");
        let (expected, stand) = match line {
            _ if has("--help") => ("Usage:", self.stand),
            _ if line.starts_with("firedrill ") => ("2.2.0-develop", self.stand),
            _ if line.starts_with("firebreak find ") => ("look    rollback_service get", self.stand),
            _ if line.starts_with("firebreak list") => ("rollback_service      role ", self.stand),
            _ if line.starts_with("firebreak show ") => ("Roll back a set of services to a date", self.stand),
            _ if line.starts_with("firebreak history ") => ("rollback_service run", self.stand),
            _ if line.starts_with("firebreak history") => ("rollback_service undo", self.stand),
            _ if line.starts_with("firebreak sync") => ("all that is derived is up to date", self.stand),
            _ if line.starts_with("firebreak check") => ("nothing is wrong", self.stand),
            _ if has("resume") => ("nothing to do", self.stand),
            _ if has("undo") && !looks => ("set back to what ran before run", ShopState::Broken),
            _ if has("run") && looks && self.stand == ShopState::Good => ("nothing to do", ShopState::Good),
            _ if has("run") && looks => ("would change 5 workloads of 4 services", ShopState::Broken),
            _ if has("run") => ("4 services rolled back and verified", ShopState::Good),
            // It looks: the day before the release can be gone back to.
            _ => (&*self.fixture.day(), self.stand),
        };
        assert!(said.contains(expected), "`{line}` does not say '{expected}':\n{said}");
        self.stand = stand;
        self.fixture.stands(stand);
    }
}

fn is_module(name: &str) -> bool {
    let modules = std::fs::read_to_string(root().join("tests/it/main.rs")).expect("the modules of the tests");
    modules.contains(&format!("\nmod {name};\n"))
}

/// The modules of the tests that `make test ONLY=<domain>` runs.
fn modules_of(domain: &str) -> Vec<String> {
    let script = std::fs::read_to_string(root().join("scripts/test.sh")).expect("scripts/test.sh");
    let line = script.lines().find_map(|line| line.trim().strip_prefix(&format!("{domain}) echo ")));
    let modules = line.map(|line| line.trim_end_matches(";;").split_whitespace().map(str::to_owned).collect());
    modules.unwrap_or_else(|| vec![domain.to_owned()])
}

/// `make test ONLY=<name>` has something to run.
fn is_tested(name: &str) {
    let modules = modules_of(name);
    assert!(modules.iter().all(|module| is_module(module)), "ONLY={name}: {modules:?} are no modules of the tests");
}

#[test]
fn every_module_of_the_tests_is_that_of_one_domain() {
    let text = std::fs::read_to_string(root().join("tests/it/main.rs")).expect("the modules of the tests");
    let mut modules: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    modules.retain(|module| *module != "support");
    let domains = [
        "catalogue",
        "drill",
        "history",
        "indexes",
        "leaders",
        "pipeline",
        "pictures",
        "platform",
        "registry",
        "roles",
        "rollback",
        "sql",
        "toolkit",
        "transactions",
    ];
    let mut found: Vec<_> = domains.into_iter().flat_map(modules_of).collect();
    found.sort();
    assert_eq!(found, modules, "scripts/test.sh says which modules are those of a domain");
}

/// A target of make calls one script, which is there.
fn make_knows(target: &str) {
    let output = Command::new("make").args(["-n", target]).current_dir(root()).output().expect("make");
    let recipe = String::from_utf8(output.stdout).expect("UTF-8");
    let script = recipe.split_whitespace().find(|word| word.starts_with("scripts/"));
    let is_there = script
        .is_some_and(|script| root().join(script).metadata().is_ok_and(|file| file.permissions().mode() & 0o111 != 0));
    assert!(output.status.success() && is_there, "`make {target}` calls no script that is there: {recipe}");
}

async fn every_command_runs(path: PathBuf) {
    let lines = commands(&path);
    assert!(!lines.is_empty(), "{} shows no command", path.display());
    let mut place = Commands::set_up().await;
    tokio::task::spawn_blocking(move || {
        for line in lines {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["make", target] => make_knows(target),
                ["make", "test", option] if option.starts_with("ONLY=") => is_tested(&option["ONLY=".len()..]),
                ["make", "test", "FULL=1"] => make_knows("test"),
                ["rollback_service" | "firedrill" | "ansible-playbook", ..] => place.does(&line, &line),
                ["firebreak", ..] => place.does(&line, &format!("cd '{}' && {line}", root().display())),
                ["cargo", "test", "--lib"] => {}
                ["cargo", "test", "--test", "it", module] => assert!(is_module(module), "no module '{module}'"),
                _ => panic!("{}: this test does not know how to run `{line}`", path.display()),
            }
        }
        place
    })
    .await
    .expect("every command to run");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_readme_runs_and_the_set_ends_where_it_says() {
    every_command_runs(root().join("README.md")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_roles_readme_runs() {
    every_command_runs(root().join("roles/rollback_service/README.md")).await;
}

/// The playbook that the role's README shows, in the place of ours.
#[tokio::test(flavor = "multi_thread")]
async fn the_playbook_of_the_roles_readme_takes_the_set_back() {
    let place = Commands::set_up().await;
    let readme = std::fs::read_to_string(root().join("roles/rollback_service/README.md")).expect("the README");
    let own = block(&readme, "- name:").replace("2026-11-20", &place.fixture.day());
    std::fs::write(place.ansible.path("playbooks/own.yml"), own).expect("a playbook");
    let place = tokio::task::spawn_blocking(move || {
        place.run("ansible-playbook -i inventories/dev playbooks/own.yml");
        place
    });
    place.await.expect("the playbook to run").fixture.stands(ShopState::Good);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_for_who_changes_the_code_is_there() {
    every_command_runs(root().join("CONTRIBUTING.md")).await;
}

/// `make drill` without a terminal, as a user runs it: it goes through by itself and tells by its exit code.
#[test]
fn make_drill_plays_the_whole_story() {
    let _core = Core::wait();
    // So that Ansible says where a task stands.
    let output =
        Command::new("make").arg("drill").env("ANSIBLE_VERBOSITY", "2").current_dir(root()).output().expect("make");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    // On a new machine there are no other programs than the drill's, so its plays are by its own copy of the roles.
    let paths: Vec<&str> = text.lines().filter(|line| line.starts_with("task path: ")).collect();
    assert!(paths.len() > 9 && paths.iter().all(|path| path.contains("/drill.")), "{paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_to_look_plan_and_act_take_the_set_back() {
    let place = Commands::set_up().await;
    let lines = commands(&root().join("README.md"));
    let place = tokio::task::spawn_blocking(move || {
        let steps = ["rollback_service get", "rollback_service run"];
        let is_step = |line: &&String| steps.iter().any(|step| line.starts_with(step));
        lines.iter().filter(is_step).for_each(|line| drop(place.run(line)));
        place
    });
    place.await.expect("the commands to run").fixture.stands(ShopState::Good);
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let help = Command::new(PROGRAM).arg("--help").output().expect("the help");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    let codes = |text: &str, start: &str| -> Vec<u8> {
        let section = text.split(start).nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
        let first =
            |line: &str| line.trim_start_matches('|').split_whitespace().next().and_then(|word| word.parse().ok());
        section.lines().filter_map(first).collect()
    };
    assert_eq!(codes(&readme, "| Code | Meaning |"), codes(&help, "Exit status:"));
    assert_eq!(codes(&help, "Exit status:"), [0, 1, 2, 3, 4, 130]);
}

#[test]
fn the_readme_of_every_role_says_when_it_is_the_right_one() {
    for role in std::fs::read_dir(root().join("roles")).expect("the roles") {
        let path = role.expect("a role").path().join("README.md");
        let text = std::fs::read_to_string(&path).expect("its README");
        let place = text.split("You are in the right place if ").nth(1);
        let place = place.unwrap_or_else(|| panic!("{} does not say it", path.display()));
        assert!(!place.starts_with('…'), "{}: nobody filled that in", path.display());
    }
}
