//! Servers that tests start and stop by themselves, on free ports, in folders of their own.
#![allow(dead_code, reason = "each test module uses a part of it")]

pub mod ansible;
pub mod contract;
pub mod core;
pub mod etcd;
pub mod fake;
pub mod git;
pub mod kubernetes;
pub mod mariadb;
pub mod marks;
pub mod part;
pub mod patroni;
pub mod peak;
pub mod podman;
pub mod postgres;
pub mod program;
pub mod proxy;
pub mod pty;
pub mod queue;
pub mod rabbit;
pub mod redis;
pub mod registry;
pub mod s3;
pub mod tls;
pub mod wire;

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port on loopback").local_addr().expect("its address").port()
}

/// For `sh -c`: runs its arguments as root in a mount namespace of their own. Who is root needs no user namespace, and may
/// be where none can be made.
pub const UNSHARE: &str =
    r#"[ "$(id -u)" = 0 ] && exec unshare --mount "$@" || exec unshare --map-root-user --mount "$@""#;

/// The path of a program that a test needs. Fails the test by the program's name, and says what brings it.
pub fn need(program: &str, package: &str) -> PathBuf {
    std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file()))
        .unwrap_or_else(|| panic!("this test needs `{program}`: run `make tools`, or install the package {package}"))
}

/// Who runs a server that refuses to run as root: `nobody`, and `nogroup`.
const NOBODY: u32 = 65534;

/// Has a command run by a user without rights where the tests run as root.
pub fn unprivileged(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

/// A folder for what runs [`unprivileged`].
pub fn own_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    if rustix::process::geteuid().is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("a folder of nobody's");
    }
    folder
}

/// Gives a file to who runs what is [`unprivileged`], to be read by no other.
pub fn give_away(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("the rights of a file");
    if rustix::process::geteuid().is_root() {
        chown(file, Some(NOBODY), Some(NOBODY)).expect("a file of nobody's");
    }
}

/// A server process, stopped when it goes out of scope.
pub struct Server {
    child: Child,
    /// What it prints goes here.
    pub log: PathBuf,
}

impl Server {
    /// Starts `command`, its output in `log`, and waits until something listens on `port` of loopback.
    pub fn start(command: Command, port: u16, log: &Path) -> Self {
        Self::start_until(command, log, || TcpStream::connect(("127.0.0.1", port)).is_ok())
    }

    /// Starts `command`, its output in `log`, and waits until it is `ready`.
    pub fn start_until(mut command: Command, log: &Path, ready: impl Fn() -> bool) -> Self {
        let output = std::fs::File::create(log).expect("a log file");
        let errors = output.try_clone().expect("a second handle of the log file");
        let name = format!("{command:?}");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let mut server = Self { child, log: log.to_owned() };
        server.wait_for(&name, ready);
        server
    }

    /// Ends it by a signal, and waits for its end.
    pub fn end(&mut self, signal: nix::sys::signal::Signal) {
        let process = i32::try_from(self.child.id()).expect("the number of a process");
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), signal);
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = i32::try_from(self.child.id()).expect("a process number");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), signal).expect("it runs");
    }

    /// Waits until `ready`; fails the test with the server's log where it ends or takes over a minute.
    pub fn wait_for(&mut self, name: &str, ready: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !ready() {
            let ended = self.child.try_wait().expect("the state of a child");
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("{name} did not come up ({ended:?}):\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
