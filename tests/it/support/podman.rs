//! A real Podman of a test's own, and a real registry that it pulls from.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use firebreak::registry::digest;
use serde_json::{Value, json};

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

    /// Makes an image and pushes it to the registry; its name there. Podman itself does not have it yet. Each tag
    /// brings a variable, a label, and a volume at `/data`.
    pub fn image(&self, repository: &str, tag: &str, temper: Temper) -> String {
        let name = format!("{}/{repository}:{tag}", self.registry);
        let mut files = vec![("program", program())];
        if temper == Temper::Sick {
            files.push(("sick", b""));
        }
        let layer = archive(&files);
        let word = if temper == Temper::Short { "exit" } else { "stay" };
        let configuration = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "created": chrono::Utc::now(),
            "config": {
                "Entrypoint": ["/program"],
                "Cmd": [word],
                "Env": [format!("RELEASE={tag}")],
                "Labels": { "release": tag },
                "Volumes": { "/data": {} },
            },
            "rootfs": { "type": "layers", "diff_ids": [digest::of(&layer)] },
        });
        let configuration = configuration.to_string().into_bytes();
        let descriptor = |kind: &str, bytes: &[u8]| {
            let kind = format!("application/vnd.docker.{kind}");
            json!({ "mediaType": kind, "size": bytes.len(), "digest": digest::of(bytes) })
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": descriptor("container.image.v1+json", &configuration),
            "layers": [descriptor("image.rootfs.diff.tar", &layer)],
        });
        // As skopeo keeps an image in a folder. It is one call, where buildah would need seven.
        let folder = tempfile::tempdir_in(self.folder.path()).expect("a folder");
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("a file");
        write("version", b"Directory Transport Version: 1.1\n");
        write("manifest.json", manifest.to_string().as_bytes());
        for bytes in [&layer, &configuration] {
            write(digest::of(bytes).trim_start_matches("sha256:"), bytes);
        }
        let mut push = Command::new(need("skopeo", "skopeo"));
        push.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
        push.args(["--dest-creds", &format!("{}:{}", LOGIN.0, LOGIN.1)]);
        output(push.arg(format!("dir:{}", folder.path().display())).arg(format!("docker://{name}")));
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

/// The program in every image, compiled once.
fn program() -> &'static [u8] {
    static PROGRAM_BUILT: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, built) = (folder.path().join("program.c"), folder.path().join("program"));
        std::fs::write(&source, PROGRAM).expect("the program's source");
        output(Command::new(need("gcc", "gcc")).args(["-static", "-s", "-Os", "-o"]).arg(&built).arg(source));
        std::fs::read(built).expect("the program")
    });
    &PROGRAM_BUILT
}

/// An archive of executable files, as `tar` writes it: for each file a head of 512 bytes, and its bytes in such blocks.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        let mut head = [0; 512];
        let length = format!("{:011o}", bytes.len());
        // Behind one another: name, mode, user, group, length, time, checksum, kind, and `ustar` with its version.
        for (place, field) in
            [(0, *name), (100, "0000755"), (108, "0000000"), (116, "0000000"), (124, &length), (136, "00000000000")]
        {
            head[place..place + field.len()].copy_from_slice(field.as_bytes());
        }
        head[148..165].copy_from_slice(b"        0\0\0\0\0\0\0\0\0");
        head[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(head);
        archive.extend(*bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn output(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?} failed:\n{errors}");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}
