//! The release programs as `make build` leaves them: static, small, and at home in an empty root.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::registry::{DockerRegistry, Guard, config};
use crate::support::{UNSHARE, need};

/// 8 MB.
const LARGEST: u64 = 8_000_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every program: in its role's files where it has a role, else where the compiler left it.
fn programs() -> Vec<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let release = target.join(format!("{}-unknown-linux-gnu/release", std::env::consts::ARCH));
    let sources = std::fs::read_dir(root().join("src/bin")).expect("the sources of the programs");
    let names = sources.filter_map(|source| source.expect("a source").path().file_stem()?.to_str().map(str::to_owned));
    let place = |name: String| {
        let role = root().join("roles").join(&name);
        let program = if role.is_dir() { role.join("files").join(&name) } else { release.join(&name) };
        assert!(program.is_file(), "this test needs {}: run `make build`", program.display());
        program
    };
    names.map(place).collect()
}

fn rollback_service() -> PathBuf {
    programs().into_iter().find(|program| program.ends_with("rollback_service")).expect("the program of the first role")
}

/// A root folder that holds /dev, a hosts file and one program, and nothing else.
struct EmptyRoot {
    folder: TempDir,
}

impl EmptyRoot {
    fn with(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["dev", "etc"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        std::fs::write(folder.path().join("etc/hosts"), "127.0.0.1 registry.test\n").expect("a hosts file");
        std::fs::copy(program, folder.path().join("program")).expect("the program");
        Self { folder }
    }

    /// Runs the program in there; the mount of /dev goes with it.
    fn run(&self, words: &[&str]) -> Output {
        let mount = r#"mount --rbind /dev "$0/dev" && exec chroot "$0" /program "$@""#;
        need("unshare", "util-linux");
        Command::new("sh")
            .args(["-c", UNSHARE, "sh", "sh", "-c", mount])
            .arg(self.folder.path())
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .expect("unshare runs")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn they_are_static_and_small() {
    for program in programs() {
        let said = Command::new(need("file", "file")).arg("--brief").arg(&program).output().expect("file runs");
        let said = text(&said.stdout);
        assert!(
            said.contains("static-pie linked") || said.contains("statically linked"),
            "{}: {said}",
            program.display()
        );
        let size = program.metadata().expect("its size").len();
        assert!(size <= LARGEST, "{} has {size} bytes, more than {LARGEST}", program.display());
    }
}

#[test]
fn they_explain_themselves_in_an_empty_root() {
    for program in programs() {
        let outside = Command::new(&program).arg("--help").output().expect("the program runs");
        let inside = EmptyRoot::with(&program).run(&["--help"]);
        assert_eq!(inside.status.code(), Some(0), "{}: {}", program.display(), text(&inside.stderr));
        assert_eq!(text(&inside.stdout), text(&outside.stdout));
        assert!(text(&inside.stdout).contains("Usage:"), "{}", program.display());
    }
}

/// Names resolve by the hosts file, TLS trusts an authority that is named, and its own roots refuse one that is not.
#[tokio::test(flavor = "multi_thread")]
async fn names_and_tls_work_in_an_empty_root() {
    let server = DockerRegistry::start_with(Guard::Tls);
    server.push_oci("billing", Some("1.0.0-develop"), config(Some("2026-11-20T08:00:00Z"), "x")).await;
    let bare = EmptyRoot::with(&rollback_service());
    std::fs::copy(&server.authority, bare.folder.path().join("ca.pem")).expect("the authority");
    let registry = format!("--registry=https://registry.test:{}", server.port);
    let look = ["get", "--repo=billing", "--env=develop", "--dump=/", "--format=json", &registry];

    let trusted = bare.run(&[&look[..], &["--cacert=/ca.pem"]].concat());
    assert_eq!(trusted.status.code(), Some(0), "{}", text(&trusted.stderr));
    let report: Value = serde_json::from_slice(&trusted.stdout).expect("a report");
    assert_eq!(report["dates"][0]["services"]["billing"]["tag"], "1.0.0-develop");
    assert!(bare.folder.path().join("rollback.json").is_file());

    let refused = bare.run(&look);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
    assert!(text(&refused.stderr).contains("invalid peer certificate: UnknownIssuer"), "{}", text(&refused.stderr));

    let elsewhere = format!("--registry=https://elsewhere.test:{}", server.port);
    let unknown = bare.run(&["get", "--repo=billing", "--env=develop", "--dump=/", &elsewhere]);
    assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown.stdout));
    assert!(text(&unknown.stderr).contains("elsewhere.test"), "{}", text(&unknown.stderr));
}
