//! The release programs as `make build` leaves them: static, small, at home in an empty root, and of no crate that they do
//! not need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::registry::{DockerRegistry, Guard, config};
use crate::support::{UNSHARE, need};

/// Crates that a program must not have: whoever copies or reviews it pays for them, and it does nothing with them.
const FOREIGN: [(&str, &[&str]); 8] = [
    ("firebreak", &["axum", "hickory-resolver", "hyper", "k8s-openapi", "kube", "reqwest", "ring", "rustls"]),
    (
        "firedrill",
        &["lapin", "redis", "kube", "minijinja", "pulldown-cmark", "rust-stemmers", "saphyr-parser", "similar", "syn"],
    ),
    (
        "rebuild_indexes",
        &["axum", "k8s-openapi", "kube", "minijinja", "pulldown-cmark", "redis", "rusqlite", "saphyr-parser", "syn"],
    ),
    (
        "reelect_leader",
        &["redis", "axum", "k8s-openapi", "kube", "minijinja", "pulldown-cmark", "saphyr-parser", "syn"],
    ),
    (
        "repopulate_images",
        &["redis", "rusqlite", "axum", "k8s-openapi", "kube", "minijinja", "pulldown-cmark", "saphyr-parser", "syn"],
    ),
    ("resolve_transactions", &["axum", "k8s-openapi", "kube", "minijinja", "pulldown-cmark", "saphyr-parser", "syn"]),
    (
        "rollback_service",
        &["lapin", "redis", "axum", "minijinja", "pulldown-cmark", "rust-stemmers", "saphyr-parser", "similar", "syn"],
    ),
    (
        "test_pipeline",
        &["axum", "k8s-openapi", "kube", "pulldown-cmark", "rust-stemmers", "similar", "syn", "toml_edit"],
    ),
];

/// What cargo knows of this package.
fn package() -> Value {
    let words = ["metadata", "--no-deps", "--offline", "--format-version=1"];
    let said = Command::new("cargo").args(words).current_dir(root()).output().expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&said.stdout).expect("JSON of cargo");
    metadata["packages"][0].clone()
}

/// What `cargo tree` says with these words, a line each.
fn tree(words: &[&str]) -> BTreeSet<String> {
    let mut command = Command::new("cargo");
    command.args(["tree", "--locked", "--offline", "--prefix=none"]).args(words).current_dir(root());
    let said = command.output().expect("cargo runs");
    assert!(said.status.success(), "{}", text(&said.stderr));
    text(&said.stdout).lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// The crates in a program of these features, without what only macros are made of.
fn crates(features: &str) -> BTreeSet<String> {
    let words = ["--edges=normal,no-proc-macro", "--format={p}", "--no-default-features", "--features", features];
    tree(&words).iter().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The programs that `make test` has built (`FIREBREAK_PROGRAMS`), or all: in its role's files where one has a role, else where the
/// compiler left it.
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
    let built = std::env::var("FIREBREAK_PROGRAMS").ok();
    let is_built = |name: &String| built.as_ref().is_none_or(|built| built.split(' ').any(|one| one == name));
    let programs: Vec<_> = names.filter(is_built).map(place).collect();
    assert!(!programs.is_empty(), "FIREBREAK_PROGRAMS names no program: {built:?}");
    programs
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
    let package = package();
    for program in programs() {
        let said = Command::new(need("file", "file")).arg("--brief").arg(&program).output().expect("file runs");
        let said = text(&said.stdout);
        assert!(
            said.contains("static-pie linked") || said.contains("statically linked"),
            "{}: {said}",
            program.display()
        );
        let size = program.metadata().expect("its size").len();
        let name = program.file_name().and_then(|name| name.to_str()).expect("its name");
        let largest = package["metadata"]["largest"][name].as_u64();
        let largest =
            largest.unwrap_or_else(|| panic!("Cargo.toml has no limit for {name}: [package.metadata.largest]"));
        assert!(size <= largest, "{} has {size} bytes, more than {largest}", program.display());
    }
}

/// Each program names its features, and is compiled with no crate that only others need.
#[test]
fn they_have_no_crate_that_they_do_not_need() {
    let package = package();
    let targets = package["targets"].as_array().expect("targets").iter();
    let programs: BTreeMap<&str, String> = targets
        .filter(|target| target["kind"][0] == "bin")
        // Those of the tests' own are not shipped.
        .filter(|target| target["src_path"].as_str().is_some_and(|path| path.contains("/src/bin/")))
        .map(|target| {
            let features = target["required-features"].as_array().into_iter().flatten();
            let features: Vec<_> = features.map(|feature| feature.as_str().expect("a feature")).collect();
            (target["name"].as_str().expect("a name"), features.join(","))
        })
        .collect();
    assert!(programs.values().all(|features| !features.is_empty()), "a program names no features: {programs:?}");
    assert_eq!(programs.keys().copied().collect::<Vec<_>>(), FOREIGN.map(|(name, _)| name));
    let all = crates("default");
    for (name, foreign) in FOREIGN {
        let crates = crates(&programs[name]);
        let found: Vec<_> = foreign.iter().filter(|name| crates.contains(**name)).collect();
        assert!(found.is_empty(), "{name} is compiled with {found:?}");
        let unknown: Vec<_> = foreign.iter().filter(|name| !all.contains(**name)).collect();
        assert!(unknown.is_empty(), "no program has {unknown:?} any more, so nothing is seen by that");
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

/// These have more features in tests than in the drill; what stands on them there, a name server's client and a database's, is compiled
/// in seconds.
const CHEAP: [&str; 3] = ["flate2 ", "rand ", "simd-adler32 "];

/// Tests, the fuzzer and the drill stand on the same crates with the same features, so that each is compiled once.
#[test]
fn no_crate_is_compiled_twice_for_the_tests() {
    let features = |words: &[&str]| {
        let lines = tree(&[&["--format={p} {f}"], words].concat());
        lines.into_iter().filter(|line| !line.starts_with("firebreak ")).collect::<BTreeSet<_>>()
    };
    let tests = features(&["--edges=normal,build,dev"]);
    let others: [&[&str]; 2] =
        [&["--edges=normal,build"], &["--edges=normal,build", "--no-default-features", "--features=drill,rollback"]];
    for words in others {
        let is_cheap = |line: &&String| CHEAP.iter().any(|name| line.starts_with(name));
        let twice: Vec<_> = features(words).difference(&tests).filter(|line| !is_cheap(line)).cloned().collect();
        assert!(twice.is_empty(), "with {words:?} these have other features than in tests: {twice:?}");
    }
    let fuzzing = features(&["--edges=normal,build,dev", "--features=fuzz"]);
    let twice: Vec<_> = tests.difference(&fuzzing).collect();
    assert!(twice.is_empty(), "the fuzzer gives these other features than tests have: {twice:?}");
}
