//! The release as `make dist` packs it: the same bytes twice, and of use where there is neither Rust nor this repository.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use firebreak::drill::story::ShopState;
use tempfile::TempDir;

use crate::readme::{block, commands};
use crate::support::ansible::{AnsibleSandbox, Played, tool};
use crate::support::need;
use crate::support::program::{DrillFixture, PROGRAM};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A PATH without Rust.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The programs to pack: the real one without its symbols, which are most of it, and small ones in place of the others.
fn programs(folder: &Path) {
    let strip = Command::new(need("strip", "gcc")).arg("-o").arg(folder.join("rollback_service")).arg(PROGRAM).status();
    assert!(strip.expect("strip").success());
    for name in [
        "firebreak",
        "firedrill",
        "rebuild_indexes",
        "reelect_leader",
        "repopulate_images",
        "resolve_transactions",
        "test_pipeline",
    ] {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho {name}\n")).expect("a program");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    }
}

fn pack(programs: &Path, folder: &Path) {
    pack_of(root(), programs, folder, "");
}

/// The same, called in a folder, in a copy of a repository that is elsewhere; of none, where that is empty.
fn pack_of(here: &Path, programs: &Path, folder: &Path, remote: &str) {
    let mut command = Command::new(root().join("scripts/dist.sh"));
    command.arg(programs).arg(folder).current_dir(here);
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "remote.origin.url").env("GIT_CONFIG_VALUE_0", remote);
    let output = command.output().expect("dist.sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| (entry.file_name().display().to_string(), std::fs::read(entry.path()).expect("a file")))
        .collect()
}

/// A release that all tests here share; it stays where cargo keeps what tests leave.
fn release() -> &'static Path {
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let from = tempfile::tempdir().expect("a folder");
        programs(from.path());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dist");
        pack(from.path(), &folder);
        folder
    })
}

fn archive(begins: &str) -> PathBuf {
    let names: Vec<_> = files(release()).into_keys().filter(|name| name.starts_with(begins)).collect();
    let [name] = names.as_slice() else { panic!("one archive '{begins}…', not {names:?}") };
    release().join(name)
}

/// What a shell prints in this folder, where there is no Rust; it must succeed.
fn shell(folder: &Path, line: &str) -> String {
    let output = Command::new("sh").args(["-euc", line]).current_dir(folder).env_clear().env("PATH", PATH).output();
    let output = output.expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "`{line}`: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The release unpacked in an empty folder.
fn unpacked() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = archive(&format!("firebreak-{}", env!("CARGO_PKG_VERSION")));
    shell(folder.path(), &format!("tar -xzf '{}'", archive.display()));
    let name = archive.file_name().expect("a name").display().to_string();
    let whole = folder.path().join(name.strip_suffix(".tar.gz").expect("its ending"));
    (folder, whole)
}

#[test]
fn the_same_commit_gives_the_same_bytes() {
    let place = tempfile::tempdir().expect("a folder");
    let again = place.path().join("again and again");
    for name in ["from", "work"] {
        std::fs::create_dir(place.path().join(name)).expect("a folder");
    }
    programs(&place.path().join("from"));
    // Relative paths are seen from where it is called.
    pack_of(&place.path().join("work"), Path::new("../from"), Path::new("../again and again"), "");
    let (one, other) = (files(release()), files(&again));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        one.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "SHA256SUMS",
            &format!("firebreak-{version}-{}-linux.tar.gz", std::env::consts::ARCH),
            &format!("firebreak-repairs-{version}.tar.gz"),
        ]
    );
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    for name in one.keys().filter(|name| name.ends_with("-x86_64-linux.tar.gz") || name.contains("repairs")) {
        assert!(readme.contains(name.as_str()), "README.md names another file than {name}");
    }
    for (name, bytes) in &one {
        assert!(other.get(name) == Some(bytes), "{name} differs");
    }
    let said = shell(release(), "sha256sum -c SHA256SUMS");
    assert!(said.lines().count() == 2 && said.lines().all(|line| line.ends_with(": OK")), "{said}");
    // Who packed it, and when, stands nowhere.
    let listed = shell(release(), "for file in *.tar.gz; do tar -tvzf \"$file\" --numeric-owner --full-time; done");
    let time = |line: &str| line.split_whitespace().skip(3).take(2).collect::<Vec<_>>().join(" ");
    let first = time(&listed);
    assert!(listed.lines().all(|line| line.contains(" 0/0 ") && time(line) == first), "{listed}");
}

/// What lies in the folder and is not in git is packed by no release: it may be a secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_rust_runs_the_program_and_the_playbook_of_a_release() {
    let (_folder, whole) = unpacked();
    let sums = std::fs::read_to_string(whole.join("SHA256SUMS")).expect("the checksums");
    let files = shell(&whole, "find . -type f ! -name SHA256SUMS | wc -l");
    assert_eq!(sums.lines().count().to_string(), files.trim(), "each file has a checksum");
    shell(&whole, "sha256sum --check --quiet SHA256SUMS");
    assert_eq!(shell(&whole, "command -v cargo rustc || echo neither"), "neither\n");
    let help = shell(&whole, "PATH= bin/rollback_service --help");
    assert!(help.starts_with("Roll back a set of services to a date.\n"), "{help}");
    let found =
        Command::new(env!("CARGO_BIN_EXE_firebreak")).args(["find", "site", "down"]).current_dir(&whole).output();
    let found = String::from_utf8(found.expect("firebreak runs").stdout).expect("UTF-8");
    assert!(found.contains("rollback_service"), "a role is found by its symptom: {found}");
    for path in ["share/man/man1/rollback_service.1", "share/completions/bash/rollback_service", "LICENSE"] {
        assert_eq!(
            std::fs::read(whole.join(path)).expect(path),
            std::fs::read(root().join(path)).expect(path),
            "{path}"
        );
    }

    let fixture = DrillFixture::open(&[]).await;
    let home = tempfile::tempdir().expect("a home");
    let played =
        play(&whole, home.path(), &fixture, "ansible-playbook -i inventories/local playbooks/rollback_service.yml");
    let played = played.await;
    assert_eq!(played.code, 0, "{}", played.text);
    assert!(played.text.contains("written to ./rollback.json"), "{}", played.text);
    assert!(whole.join("rollback.json").is_file());
}

/// Runs a line of a README in a folder, led to the drill; the day that stands there is put to the drill's.
async fn play(folder: &Path, home: &Path, fixture: &DrillFixture, line: &str) -> Played {
    let line = line.replace("2026-11-20", &fixture.day());
    let (program, words) = line.split_once(' ').expect("a program and its words");
    let mut command = Command::new(tool(program));
    command
        .args(words.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .env("USER", "tester")
        .env("HOME", home)
        .envs(fixture.drill.environment());
    tokio::task::spawn_blocking(|| AnsibleSandbox::end(command)).await.expect("a play")
}

/// What a file of the collection in a folder holds.
fn in_collection(folder: &Path, file: &str) -> String {
    let name = format!("firebreak-repairs-{}.tar.gz", env!("CARGO_PKG_VERSION"));
    shell(folder, &format!("tar -xzOf '{name}' '{file}'"))
}

#[test]
fn the_readmes_of_the_collection_lead_to_what_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    shell(folder.path(), &format!("tar -xzf '{}'", archive("firebreak-repairs-").display()));
    let found = shell(folder.path(), "find . -name README.md | sort");
    let roles = std::fs::read_dir(root().join("roles")).expect("the roles").count();
    assert_eq!(found.lines().count(), roles + 1, "{found}");
    for path in found.lines() {
        let text = std::fs::read_to_string(folder.path().join(path)).expect("a README");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let place = folder.path().join(path).parent().expect("a folder").join(link);
            assert!(link.contains("://") || place.exists(), "{path}: there is no {link}");
        }
        for unknown in
            ["make build", "make dist", "playbooks/", "roles/", "firebreak/rollback_service", "../", "firedrill"]
        {
            assert!(!text.contains(unknown), "{path}: '{unknown}' is not in the collection: {text}");
        }
    }
    let own = |path: &str| std::fs::read_to_string(root().join(path)).expect("a README");
    let (there, here) =
        (in_collection(release(), "roles/rollback_service/README.md"), own("roles/rollback_service/README.md"));
    let end = |text: &str| text.split_once("\n## Verify\n").expect("a part that is the same").1.to_owned();
    assert_eq!(end(&there), end(&here), "what a person wrote is kept");
    let run = own("collection/roles/rollback_service/README.md");
    let run = run.split_once("## Run\n").and_then(|(_, rest)| rest.split_once("<!-- end -->")).expect("a part").0;
    assert!(there.contains(run), "{there}");
}

#[test]
fn the_collection_names_the_repository_where_git_knows_one_that_others_reach() {
    let programs = tempfile::tempdir().expect("a folder");
    shell(
        programs.path(),
        "for name in rollback_service rebuild_indexes resolve_transactions reelect_leader repopulate_images test_pipeline firebreak firedrill; do echo '#!/bin/sh' >$name; chmod +x $name; done",
    );
    for (remote, repository) in [
        ("", "null"),
        ("/srv/git/firebreak", "null"),
        ("https://ann:geheim@git.example.org/team/firebreak.git", "\"https://git.example.org/team/firebreak\""),
        ("git@git.example.org:team/firebreak.git", "\"https://git.example.org/team/firebreak\""),
        ("ssh://git@git.example.org:2222/team/firebreak", "\"https://git.example.org/team/firebreak\""),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        pack_of(root(), programs.path(), folder.path(), remote);
        let manifest = in_collection(folder.path(), "MANIFEST.json");
        assert!(manifest.contains(&format!("\"repository\": {repository}")), "{remote}: {manifest}");
        assert!(!manifest.contains("geheim"), "{manifest}");
    }
}

/// Every command and every file that the collection's README shows, in a repository that has nothing else of this one.
#[tokio::test(flavor = "multi_thread")]
async fn the_collection_works_in_another_repository() {
    let fixture = DrillFixture::open(&[]).await;
    let (folder, home) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a home"));
    let other = folder.path();
    shell(other, &format!("mkdir inventories && cp -rL '{}/inventories/local' inventories/dev", root().display()));
    let collection = archive("firebreak-repairs-");
    std::fs::copy(&collection, other.join(collection.file_name().expect("a name"))).expect("the collection");
    let path = root().join("collection/README.md");
    let lines = commands(&path);
    let kinds: Vec<_> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(kinds, ["ansible-galaxy", "ansible-playbook", "ansible-playbook", "ansible-playbook"]);
    for line in &lines {
        let played = play(other, home.path(), &fixture, line).await;
        assert_eq!(played.code, 0, "`{line}`: {}", played.text);
    }
    fixture.stands(ShopState::Good);
    let mistyped = play(
        other,
        home.path(),
        &fixture,
        "ansible-playbook -i inventories/dev firebreak.repairs.rollback_service --tags rnu",
    )
    .await;
    let said = mistyped.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(mistyped.code == 2 && said.contains("There is no tag 'rnu', so nothing was done."), "{}", mistyped.text);

    let readme = std::fs::read_to_string(&path).expect("the README");
    let own = block(&readme, "- name:").replace("2026-11-20", &fixture.day());
    std::fs::create_dir(other.join("plays")).expect("a folder");
    std::fs::write(other.join("plays/own.yml"), own).expect("a playbook");
    let played = play(other, home.path(), &fixture, "ansible-playbook -i inventories/dev plays/own.yml").await;
    assert_eq!(played.code, 0, "{}", played.text);
    assert!(played.text.contains("nothing to do") || played.text.contains("nothing_to_do"), "{}", played.text);

    // The same collection, named in a file of requirements.
    let requirements = block(&readme, "collections:");
    let named = requirements.lines().find_map(|line| line.trim().strip_prefix("- name: ")).expect("a name");
    let file = collection.file_name().expect("a name").display().to_string();
    assert!(named.ends_with(&format!("/{file}")), "{named} is not {file}");
    let local = requirements.replace(named, &collection.display().to_string()).replace("type: url", "type: file");
    std::fs::write(other.join("requirements.yml"), local).expect("a file of requirements");
    let line = "ansible-galaxy collection install --offline -r requirements.yml";
    let home = tempfile::tempdir().expect("another home");
    let played = play(other, home.path(), &fixture, line).await;
    assert_eq!(played.code, 0, "{}", played.text);
    let program = home.path().join(
        ".ansible/collections/ansible_collections/firebreak/repairs/roles/rollback_service/files/rollback_service",
    );
    assert_eq!(program.metadata().expect("the program").permissions().mode() & 0o777, 0o755);
}
