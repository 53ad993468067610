//! A real Podman of a test's own, and a real registry that it pulls from.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Server, free_port, need};

/// Runs until it is told to stop; `well` is its health check, which fails in an image that holds a file `/sick`.
const PROGRAM: &str = r#"
    #include <signal.h>
    #include <string.h>
    #include <unistd.h>
    static void stop(int signal) { _exit(0); }
    int main(int count, char **words) {
        signal(SIGTERM, stop);
        if (count > 1 && !strcmp(words[1], "well")) return access("/sick", F_OK) == 0;
        if (count > 1 && !strcmp(words[1], "exit")) return 3;
        for (;;) pause();
    }
"#;

/// The user and the password of a registry that asks for them, and the password as its file of users has it.
pub const LOGIN: (&str, &str) = ("ann", "p4ss");
const USERS: &str = "ann:$2y$04$lhU/NEwflgeaQji1FCbdjeGssiEl9J4D0atOeS2eGRCw/HLKUohoK\n";

/// What makes a container have its health checked.
pub const WELL: [&str; 4] = ["--health-cmd", "[\"/program\", \"well\"]", "--health-interval", "1s"];

/// What an image does when it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// It runs, and its health check succeeds.
    Well,
    /// It runs, and its health check fails.
    Sick,
    /// It ends at once, with exit code 3.
    Short,
}

/// A Podman service on a socket of its own, with its own storage, and a registry on loopback. What it made ends with it.
pub struct Podman {
    folder: tempfile::TempDir,
    /// The registry as images name it.
    pub registry: String,
    _servers: [Server; 2],
}

impl Podman {
    /// Starts both.
    pub fn start() -> Self {
        Self::start_with(false)
    }

    /// Starts both; the registry asks for the [`LOGIN`].
    pub fn start_locked() -> Self {
        Self::start_with(true)
    }

    fn start_with(locked: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("podman").tempdir().expect("a temporary folder");
        let port = free_port();
        let registry = start_registry(folder.path(), port, locked);
        let trust = format!("[[registry]]\nlocation = \"127.0.0.1:{port}\"\ninsecure = true\n");
        std::fs::write(folder.path().join("registries.conf"), trust).expect("the file of registries");
        // Locks in files of its own: those in shared memory are the whole machine's, and a test must not use them up.
        let settings = "[engine]\nlock_type = \"file\"\n";
        std::fs::write(folder.path().join("containers.conf"), settings).expect("the settings of podman");
        build_program(folder.path());
        let socket = folder.path().join("socket");
        let mut service = podman(folder.path());
        service.args(["system", "service", "--time=0"]).arg(format!("unix://{}", socket.display()));
        let ready = || UnixStream::connect(&socket).is_ok();
        let service = Server::start_until(service, &folder.path().join("podman.log"), ready);
        Self { folder, registry: format!("127.0.0.1:{port}"), _servers: [service, registry] }
    }

    /// The platform's URL.
    pub fn url(&self) -> String {
        format!("podman+unix://{}", self.folder.path().join("socket").display())
    }

    /// A file or folder of the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `podman` and gives what it prints; fails the test where it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        output(podman(self.folder.path()).args(arguments))
    }

    /// Builds an image and pushes it to the registry; its name there. Podman itself does not have it yet. Each tag
    /// brings a variable, a label, and a volume at `/data`.
    pub fn image(&self, repository: &str, tag: &str, temper: Temper) -> String {
        let name = format!("{}/{repository}:{tag}", self.registry);
        let root = self.path("buildah");
        let buildah = |arguments: &[&str]| {
            let mut command = Command::new(need("buildah", "buildah"));
            command.args(["--storage-driver", "vfs", "--root"]).arg(&root).arg("--runroot").arg(root.join("run"));
            output(command.args(arguments))
        };
        let container = buildah(&["from", "scratch"]);
        buildah(&["copy", &container, &self.path("program").display().to_string(), "/program"]);
        if temper == Temper::Sick {
            let mark = self.path("sick");
            std::fs::write(&mark, "").expect("a file");
            buildah(&["copy", &container, &mark.display().to_string(), "/sick"]);
        }
        let word = if temper == Temper::Short { "exit" } else { "stay" };
        let (release, label) = (format!("RELEASE={tag}"), format!("release={tag}"));
        buildah(&[
            "config",
            "--entrypoint",
            "[\"/program\"]",
            "--cmd",
            word,
            "--env",
            &release,
            "--label",
            &label,
            "--volume",
            "/data",
            &container,
        ]);
        buildah(&["commit", "--quiet", "--format", "docker", &container, &name]);
        let login = format!("{}:{}", LOGIN.0, LOGIN.1);
        buildah(&["push", "--quiet", "--tls-verify=false", "--creds", &login, &name]);
        buildah(&["rm", &container]);
        name
    }

    /// Runs a container in the background, with the limits that a test's machine grants; its id.
    pub fn container(&self, name: &str, image: &str, more: &[&str]) -> String {
        let mut arguments = vec!["run", "--detach", "--quiet", "--name", name];
        arguments.extend(["--ulimit", "nofile=1024:2048", "--ulimit", "nproc=1000:1000"]);
        arguments.extend(more);
        if !more.contains(&"--network") {
            arguments.extend(["--network", "none"]);
        }
        arguments.push(image);
        self.run(&arguments)
    }

    /// What Podman says of a container.
    pub fn inspect(&self, name: &str) -> Value {
        let text = self.run(&["container", "inspect", name]);
        let mut list: Value = serde_json::from_str(&text).expect("JSON of podman");
        list[0].take()
    }

    /// Every container as `name id state`, in the order of names.
    pub fn containers(&self) -> Vec<String> {
        let list: Value =
            serde_json::from_str(&self.run(&["ps", "--all", "--format", "json"])).expect("JSON of podman");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let line = |one: &Value| format!("{} {} {}", text(&one["Names"][0]), text(&one["Id"]), text(&one["State"]));
        let mut lines: Vec<String> = list.as_array().expect("a list").iter().map(line).collect();
        lines.sort();
        lines
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Containers outlive the service that made them; one that another needs goes at the second try.
        for _ in 0..2 {
            let _ = podman(self.folder.path()).args(["rm", "--all", "--force", "--time", "0"]).output();
        }
        // What clears up after each would otherwise write into a folder that is being removed.
        let deadline = Instant::now() + Duration::from_secs(10);
        let folder = self.folder.path().display().to_string();
        while is_cleared_up_after(&folder) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A process that Podman started beside a container is there still, for a container of this folder.
fn is_cleared_up_after(folder: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("the processes").flatten();
    processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok()).any(|line| {
        let line = String::from_utf8_lossy(&line);
        line.contains(folder) && (line.contains("conmon") || line.contains("cleanup"))
    })
}

/// `podman` with the storage of a test, and with what works without systemd.
fn podman(folder: &Path) -> Command {
    need("runc", "runc");
    let mut command = Command::new(need("podman", "podman"));
    command.env("CONTAINERS_REGISTRIES_CONF", folder.join("registries.conf"));
    command.env("CONTAINERS_CONF", folder.join("containers.conf"));
    command.arg("--root").arg(folder.join("root")).arg("--runroot").arg(folder.join("run"));
    command.arg("--tmpdir").arg(folder.join("state"));
    command.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs"]);
    command.args(["--storage-driver", "vfs", "--events-backend", "file"]);
    command
}

fn start_registry(folder: &Path, port: u16, locked: bool) -> Server {
    let users = folder.join("users");
    std::fs::write(&users, USERS).expect("the registry's users");
    let lock = format!("auth: {{htpasswd: {{realm: test, path: '{}'}}}}\n", users.display());
    let configuration = format!(
        "version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '127.0.0.1:{port}'}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n",
        folder.join("registry").display()
    );
    let file = folder.join("registry.yml");
    std::fs::write(&file, if locked { configuration + &lock } else { configuration })
        .expect("the registry's configuration");
    let mut command = Command::new(need("docker-registry", "docker-registry"));
    command.arg("serve").arg(file);
    Server::start(command, port, &folder.join("registry.log"))
}

fn build_program(folder: &Path) {
    let source = folder.join("program.c");
    std::fs::write(&source, PROGRAM).expect("the program's source");
    output(Command::new(need("gcc", "gcc")).args(["-static", "-Os", "-o"]).arg(folder.join("program")).arg(source));
}

fn output(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?} failed:\n{errors}");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}
