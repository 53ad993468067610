//! The playbook in a folder of its own, with a program of the test's choice, run by the real Ansible on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::core::Core;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of the project's virtual environment.
pub fn tool(name: &str) -> PathBuf {
    let path = root().join(".venv/bin").join(name);
    assert!(path.is_file(), "this test needs `{name}`: run `make tools`");
    path
}

/// What a play printed and how it ended.
#[derive(Debug)]
pub struct Played {
    pub code: i32,
    /// Stdout and stderr.
    pub text: String,
}

impl Played {
    /// The numbers of the recap, by name.
    pub fn recap(&self, name: &str) -> u32 {
        let line = self.text.lines().rfind(|line| line.contains("unreachable=")).unwrap_or_default();
        let field = line.split_whitespace().find_map(|field| field.strip_prefix(&format!("{name}=")));
        field.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no recap of '{name}': {}", self.text))
    }
}

/// A copy of what `ansible-playbook` needs.
pub struct AnsibleSandbox {
    pub folder: TempDir,
}

impl AnsibleSandbox {
    /// The role `rollback_service` with this program in the place of the static one.
    pub fn with(program: &Path) -> Self {
        Self::of("rollback_service", program)
    }

    /// The same of another role.
    pub fn of(role: &str, program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let copied = Command::new("cp")
            .arg("-r")
            .args(["ansible.cfg", "playbooks", "roles", "inventories"].map(|name| root().join(name)))
            .arg(folder.path())
            .status();
        assert!(copied.expect("cp").success());
        let place = folder.path().join("roles").join(role).join("files").join(role);
        std::fs::create_dir_all(place.parent().expect("its folder")).expect("the role's folder");
        // Removed first, so that a link is not written through and a running program is not in the way.
        let _ = std::fs::remove_file(&place);
        std::fs::copy(program, place).expect("the program in its role");
        Self::in_folder(folder)
    }

    /// A folder that holds all that is needed.
    pub fn in_folder(folder: TempDir) -> Self {
        for name in ["tmp", "home"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self { folder }
    }

    /// The role with the stand-in, which notes what it is given.
    pub fn with_stand_in() -> Self {
        Self::with(&root().join("tests/ansible/stand_in.py"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `ansible-playbook` for the inventory `local`, with these words; nothing of this process's environment but the path.
    pub fn command(&self, words: &[&str]) -> Command {
        self.command_of("rollback_service", words)
    }

    /// The same for this role's playbook.
    pub fn command_of(&self, role: &str, words: &[&str]) -> Command {
        self.command_by(&tool("ansible-playbook"), role, words)
    }

    /// The same by another `ansible-playbook`.
    pub fn command_by(&self, ansible: &Path, role: &str, words: &[&str]) -> Command {
        let mut command = Command::new(ansible);
        let path = std::env::var("PATH").expect("a PATH");
        command
            .args(["-i", "inventories/local/hosts.ini", &format!("playbooks/{role}.yml")])
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("LANG", "C.UTF-8")
            .env("USER", "tester")
            .env("STAND_IN_NOTE", self.path("note"))
            .env("FIREBREAK_REGISTRY", "https://registry.example")
            .env("FIREBREAK_PLATFORM", "marathon+https://dcos.example");
        command
    }

    pub fn play(&self, words: &[&str]) -> Played {
        Self::end(self.command(words))
    }

    pub fn end(mut command: Command) -> Played {
        let _core = Core::wait();
        let output = command.output().expect("ansible-playbook runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Played { code: output.status.code().unwrap_or(-1), text: text(&output.stdout) + &text(&output.stderr) }
    }

    /// Writes a playbook beside those that are there.
    pub fn playbook(&self, name: &str, text: &str) {
        std::fs::write(self.path("playbooks").join(format!("{name}.yml")), text).expect("a playbook");
    }

    /// Writes extra variables, and says how they are given.
    pub fn variables(&self, values: &Value) -> String {
        let path = self.path("vars.json");
        std::fs::write(&path, values.to_string()).expect("a file of variables");
        format!("@{}", path.display())
    }

    /// What the stand-in was given, one value for each call; the private folder is called FOLDER.
    pub fn notes(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("note")).unwrap_or_default();
        let tame = |line: &str| {
            let note: Value = serde_json::from_str(line).expect("a note");
            let folder = note["folder"].as_str().expect("a folder").to_owned();
            serde_json::from_str(&line.replace(&folder, "FOLDER")).expect("a note")
        };
        text.lines().map(tame).collect()
    }

    /// The names in the folder for temporary files: nothing may stay there.
    pub fn left_over(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("tmp")).expect("the folder for temporary files");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    /// Ends the program that a play has started, without a chance to say so.
    pub fn kill(&self) {
        let processes = std::fs::read_dir("/proc").expect("the processes").flatten().map(|entry| entry.path());
        let ours = |path: &PathBuf| {
            std::fs::read_link(path.join("exe")).is_ok_and(|program| program.starts_with(self.path("tmp")))
        };
        let ours: Vec<_> = processes.filter(ours).collect();
        let [process] = ours.as_slice() else { panic!("one program runs, not {ours:?}") };
        let status = Command::new("kill").arg("-9").arg(process.file_name().expect("its number")).status();
        assert!(status.expect("kill").success());
    }

    /// The journals that were brought to the controller.
    pub fn records(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder").flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "journal")).collect()
    }

    /// Every file below the folder that holds `text`.
    pub fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if std::fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)) {
                    found.push(path);
                }
            }
        }
        found
    }
}
