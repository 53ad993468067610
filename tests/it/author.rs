//! `firebreak build` and `new`: what they make is built, and goes through the real Ansible against a drill.
//! Needs cargo, gcc, python3 and, for two packages, pip's index.

mod adopt;
mod collection;
mod reference;
mod shapes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::ansible::{AnsibleSandbox, Played, tool};
use crate::support::core::Core;
use crate::support::program::{DrillFixture, Output};
use crate::support::pty;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn output(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A toolkit in a folder of its own.
pub(crate) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// An empty one, whose programs need nothing.
    fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["src/bin", "roles", "templates"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        Self { folder }
    }

    /// A copy of the repository, whose programs use the library where it is: so it is not compiled for each test.
    pub(crate) fn copied() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let names = [
            "ansible.cfg",
            "docs",
            "inventories",
            "jenkins",
            "playbooks",
            "roles",
            "templates",
            "rustfmt.toml",
            "Cargo.lock",
        ];
        let names = names.map(|name| repository().join(name));
        let copied = Command::new("cp").arg("-r").args(names).arg(folder.path()).status();
        assert!(copied.expect("cp").success());
        let workshop = Self { folder };
        fs::create_dir_all(workshop.path("src/bin")).expect("a folder");
        for name in ["tmp", "home"] {
            fs::create_dir(workshop.path(name)).expect("a folder");
        }
        for role in fs::read_dir(repository().join("roles")).expect("the roles") {
            let bin = format!("src/bin/{}.rs", role.expect("a role").file_name().display());
            fs::copy(repository().join(&bin), workshop.path(&bin)).expect("the program of a role that is there");
        }
        let manifest = fs::read_to_string(repository().join("Cargo.toml")).expect("the manifest");
        let (_, lints) = manifest.split_once("[lints.rust]").expect("lints");
        // The same profile, so that what the library stands on is not compiled again.
        let (_, profile) = manifest.split_once("[profile.dev]").expect("a profile");
        let (profile, _) = profile.split_once("[profile.release]").expect("another profile");
        workshop.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"workshop\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[features]\ndefault = [\"http\"]\nhttp = \
                 []\n\n[dependencies]\n\
                 firebreak = {{ path = '{}' }}\nsecrecy = {{ version = \"0.10\", features = [\"serde\"] }}\n\
                 serde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
                 [profile.dev]{profile}[lints.rust]{lints}",
                repository().display()
            ),
        );
        workshop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// `firebreak` in the workshop, which is called WORKSHOP in what it says.
    fn firebreak(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebreak"));
        command.args(words).arg("--root=.").current_dir(self.folder.path());
        command.env("CARGO_TARGET_DIR", self.path("made")).env("CARGO_TERM_COLOR", "never");
        let mut output = output(command.envs(self.state()));
        for text in [&mut output.stdout, &mut output.stderr] {
            *text = text.replace(&self.folder.path().display().to_string(), "WORKSHOP");
        }
        output
    }

    /// Where runs are kept: what a test does is in nobody's journal.
    fn state(&self) -> [(&'static str, PathBuf); 2] {
        [("FIREBREAK_JOURNAL", self.path("state/firebreak")), ("XDG_STATE_HOME", self.path("state"))]
    }

    /// cargo in the workshop, with the folder in which the tests are compiled.
    fn cargo(&self, words: &[&str]) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
        let _core = Core::wait();
        let mut command = Command::new("cargo");
        command.args(words).env("CARGO_TARGET_DIR", &target).envs(self.state()).current_dir(self.folder.path());
        let made = output(&mut command);
        assert_eq!(made.code, 0, "cargo {words:?}: {}", made.stderr);
        target.join("debug")
    }

    async fn play(&self, fixture: &DrillFixture, role: &str, words: &[&str], values: &Value) -> Played {
        self.write("vars.json", &values.to_string());
        let mut command = Command::new(tool("ansible-playbook"));
        command.args(["-i", "inventories/local/hosts.ini", "-e", "@vars.json"]).args(words);
        command.arg(format!("playbooks/{role}.yml")).current_dir(self.folder.path());
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp")).env("LANG", "C.UTF-8");
        command.envs(fixture.drill.environment());
        tokio::task::spawn_blocking(|| AnsibleSandbox::end(command)).await.expect("a play")
    }

    /// The names in the folder for temporary files: nothing may stay there.
    fn left_over(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("tmp")).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

/// What people do not type to test, with nothing that a terminal would escape.
const AWKWARD: &str = "it's $(touch evil) {{ 1 + 1 }} a=b `id` ünï";

fn unsafe_text(text: &str) -> Value {
    json!({ "__ansible_unsafe": text })
}

#[test]
fn build_makes_static_programs_and_says_what_is_up_to_date() {
    let workshop = Workshop::bare();
    workshop.write("Cargo.toml", "[package]\nname = \"tiny\"\nversion = \"0.0.0\"\nedition = \"2024\"\n");
    let code = |usage: &str, word: &str| {
        format!(
            "const USAGE: &str = \"A thing.\n\nUsage:\n{usage}\";\nfn main() {{\n    println!(\"{word}{{}}\", USAGE.len());\n}}\n"
        )
    };
    workshop.write("src/bin/mend.rs", &code("  mend get\n  mend run\n", ""));
    workshop.write("src/bin/look.rs", &code("  look\n", ""));
    let table = |output: &Output| -> Vec<Vec<String>> {
        let row =
            |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
        output.stdout.lines().filter(|line| line.contains(" MB ")).map(row).collect()
    };
    let state = |output: &Output| -> Vec<(String, String)> {
        table(output).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
    };
    let states = |pairs: [(&str, &str); 2]| pairs.map(|(one, other)| (one.to_owned(), other.to_owned())).to_vec();

    let first = workshop.firebreak(&["build"]);
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(state(&first), states([("look", "built"), ("mend", "built")]));
    assert!(first.stdout.ends_with("\n2 programs built\n"), "{}", first.stdout);
    assert!(first.stderr.contains("Compiling tiny"), "cargo speaks for itself: {}", first.stderr);
    let rows = table(&first);
    assert_eq!((rows[0][4].as_str(), rows[1][4].as_str()), ("bin/look", "bin/mend, roles/mend/files/mend"));
    for place in ["bin/look", "bin/mend", "roles/mend/files/mend"] {
        let said = output(Command::new("file").arg("--brief").arg(workshop.path(place))).stdout;
        assert!(said.contains("static-pie linked") || said.contains("statically linked"), "{place}: {said}");
        let sum = output(Command::new("sha256sum").arg(workshop.path(place))).stdout;
        assert!(rows.iter().any(|row| sum.starts_with(&row[3])), "{place}: {sum}");
    }
    assert!(workshop.path("made").is_dir(), "CARGO_TARGET_DIR is respected");

    let second = workshop.firebreak(&["build"]);
    assert_eq!(state(&second), states([("look", "up to date"), ("mend", "up to date")]));
    assert!(second.stdout.ends_with("\n2 programs up to date\n"), "{}", second.stdout);
    fs::remove_file(workshop.path("bin/look")).expect("a program that is lost");
    assert_eq!(state(&workshop.firebreak(&["build"])), states([("look", "copied"), ("mend", "up to date")]));

    let before = fs::read(workshop.path("bin/mend")).expect("the program");
    workshop.write("src/bin/mend.rs", &code("  mend get\n  mend run\n", "\" + 1 + \""));
    let broken = workshop.firebreak(&["build", "mend"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.stderr.contains("error: could not compile `tiny`"), "{}", broken.stderr);
    assert_eq!(fs::read(workshop.path("bin/mend")).expect("the program"), before, "nothing is half placed");

    let unknown = workshop.firebreak(&["build", "mond"]);
    let hint = "firebreak error: there is no program or role 'mond': did you mean `mend`?\n";
    assert_eq!((unknown.code, unknown.stderr.as_str()), (2, hint));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_role_is_built_passes_and_goes_through_ansible() {
    let workshop = Workshop::copied();
    let options = [
        "--option=--host=<h>  The host to mend. [env: HOST_TO_MEND]",
        "--option=--pwd=<p>  Its password. [secret]",
        "--option=--port=<n>  Where it listens. [default: 22]",
        "--option=--mode=<m>  How it is mended. [choices: soft hard] [default: soft]",
        "--option=--all  All that is broken on it, and what else was found by the way, however long that takes and whoever \
         is waiting for it.",
        "--option=--note=<t>  A word for the report.",
    ];
    let texts = [
        "--title=Mend a \"host\"",
        "--problem=A host is \\ broken.",
        "--solution=`get` shows the host. `run` mends it.",
    ];
    let made = workshop.firebreak(&[&["new", "mend_host"], &options[..], &texts[..]].concat());
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("src/bin/mend_host.rs\nCargo.toml\n"), "{}", made.stdout);
    let manifest = workshop.read("Cargo.toml");
    for said in [
        "[[bin]]\nname = \"mend_host\"\nrequired-features = [\"http\"]\n",
        "[package.metadata.largest]\nmend_host = 6_000_000\n",
    ] {
        assert!(manifest.contains(said), "{manifest}");
    }
    assert_eq!(workshop.firebreak(&["sync", "--check"]).code, 0);
    let checked = workshop.firebreak(&["check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let again = workshop.firebreak(&["new", "mend_host"]);
    let taken = "firebreak error: a role cannot be called 'mend_host': there is a program of this name\n";
    assert_eq!((again.code, again.stderr.as_str()), (2, taken));

    workshop.cargo(&["clippy", "--offline", "--bin", "mend_host", "--", "-D", "warnings"]);
    workshop.cargo(&["fmt", "--check"]);
    workshop.cargo(&["test", "--offline", "--bin", "mend_host"]);
    let program = workshop.cargo(&["build", "--offline", "--bin", "mend_host"]).join("mend_host");

    let run =
        |words: &[&str]| output(Command::new(&program).args(words).env("HOST_TO_MEND", AWKWARD).envs(workshop.state()));
    let table = format!(
        "--host  {AWKWARD}\n--pwd   given\n--port  22\n--mode  soft\n--all   false\n--note\nstep    mend the first thing\n\n"
    );
    let looked = run(&["get", "--pwd=geheim"]);
    assert_eq!((looked.code, looked.stdout), (0, format!("{table}1 step to do\n")));
    let planned = run(&["run", "--check", "--pwd=geheim"]);
    assert_eq!((planned.code, planned.stdout), (0, format!("{table}would change 1 step\n")));
    let declined = run(&["run"]);
    assert_eq!(declined.code, 4);
    assert!(declined.stderr.contains("--yes is needed where no terminal is: nothing was changed"), "{declined:?}");
    let done = run(&["run", "--yes", "--pwd=geheim"]);
    let left = "step                  state  why\n\
                mend the first thing  left   `act` in src/bin/mend_host.rs is to be filled in\n\n";
    assert_eq!((done.code, done.stdout), (0, format!("{left}steps: 0 done, 1 left\n")));
    let mut drill = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    let drill = output(drill.arg("--").arg(&program).arg("get").envs(workshop.state()));
    assert_eq!(drill.code, 0, "{drill:?}");

    let files = workshop.path("roles/mend_host/files");
    fs::create_dir_all(&files).expect("a folder");
    fs::copy(&program, files.join("mend_host")).expect("the program in its role");
    let fixture = DrillFixture::open(&[]).await;
    let values = json!({ "mend_host_host": unsafe_text(AWKWARD), "mend_host_pwd": unsafe_text("geheim") });
    for words in [&[][..], &["--tags", "run", "--check", "--diff"], &["--tags", "run", "-vvv"]] {
        let played = workshop.play(&fixture, "mend_host", words, &values).await;
        assert_eq!(played.code, 0, "{words:?}: {}", played.text);
        // What was given is told with the plan; what is done tells what is left.
        let told = if words.contains(&"-vvv") { "1 left" } else { AWKWARD };
        assert!(played.text.contains(told), "{words:?}: {}", played.text);
        assert!(!played.text.contains("geheim"), "{words:?}: {}", played.text);
    }
    assert_eq!(workshop.left_over(), [""; 0]);
    assert!(!workshop.path("evil").exists());
}

#[test]
fn what_is_not_given_is_asked_for_at_a_terminal() {
    let workshop = Workshop::copied();
    let sit_down = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebreak"));
        command.args(["new", "warm_caches"]).current_dir(workshop.folder.path()).env("TERM", "xterm-256color");
        command.envs(workshop.state());
        pty::start(command)
    };
    let mut left = sit_down();
    left.exp_string("What does it do, in one line?").expect("the first question");
    left.send_control('c').expect("Ctrl-C");
    left.exp_string("interrupted: nothing was changed").expect("the end");
    left.exp_eof().expect("the end");
    assert!(!workshop.path("src/bin/warm_caches.rs").exists() && !workshop.path("roles/warm_caches").exists());

    let mut session = sit_down();
    let mut says = |question: &str, answer: &str| {
        session.exp_string(question).expect(question);
        session.send_line(answer).expect("to type");
    };
    says("What does it do, in one line?", "see usage: below");
    says("`usage:` begins the usage lines", "Warm the caches.");
    says("Which problem does it solve?", "The first users wait.");
    says("What does it do about it?", "It asks for every page.");
    says("An option?", "host");
    says("--option cannot be 'host'", "--pages=<n>  How many. [default: 10]");
    // What was typed is shown once more when it is taken, with its question; then comes the next.
    says("[default: 10]\r\nAn option?", "");
    session.exp_string("fill in `look` and `act`").expect("what is next");
    session.exp_eof().expect("the end");
    let code = workshop.read("src/bin/warm_caches.rs");
    for line in ["Warm the caches.\n", "  The first users wait.\n", "--pages=<n>           How many. [default: 10]\n"] {
        assert!(code.contains(line), "'{line}' is missing:\n{code}");
    }
}

#[test]
fn nothing_of_a_new_role_is_written_where_something_is_wrong() {
    let workshop = Workshop::copied();
    let texts = ["--title=t", "--problem=p", "--solution=s"];
    for (words, why) in [
        (&["new", "match"][..], "a role cannot be called 'match': it is a word of Rust's own"),
        (
            &["new", "x"],
            "`firebreak new x` needs --title where no terminal is, beside --title, --problem and --solution",
        ),
        (&[&["new", "x", "--option=host"], &texts[..]].concat(), "--option cannot be 'host': "),
        (&["new", "x", "--title=see usage: x"], "--title cannot be 'see usage: x': `usage:` begins the usage lines"),
    ] {
        let refused = workshop.firebreak(words);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.starts_with(&format!("firebreak error: {why}")), "{}", refused.stderr);
    }
    // A template that breaks on the way.
    workshop.write("templates/late", "<< nothing >>");
    let failed = workshop.firebreak(&[&["new", "x"], &texts[..]].concat());
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.starts_with("firebreak error: templates/late:1: "), "{}", failed.stderr);
    assert!(!workshop.path("src/bin/x.rs").exists() && !workshop.path("roles/x").exists());

    fs::remove_file(workshop.path("templates/late")).expect("the template");
    let mut command = Command::new(env!("CARGO_BIN_EXE_firebreak"));
    command.args(["new", "x"]).args(texts).current_dir(workshop.folder.path());
    let without = output(command.env("PATH", "/nowhere").env("RUST_BACKTRACE", "1"));
    let why = "firebreak error: rustfmt is needed to write a program: `rustup component add rustfmt` brings it (";
    assert!(without.stderr.starts_with(why) && without.stderr.lines().count() == 1, "{without:?}");
    assert!(without.code == 1 && !workshop.path("src/bin/x.rs").exists());
}
