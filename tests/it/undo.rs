//! Which run `undo` and `resume` are about, and where they refuse.

use std::path::PathBuf;
use std::process::Command;

use chrono::Utc;
use firebreak::drill::Platform;
use firebreak::drill::story::ShopState;
use firebreak::journal::folder::ELSEWHERE;

use crate::support::program::{DrillFixture, until};

const RUN: &str = "run --date=DAY --env=dev --yes --journal=journals";
const RESUME: &str = "resume --env=dev --yes --journal=journals";
const UNDO: &str = "undo --env=dev --yes --journal=journals";

/// Runs it and expects this exit code, and this one line of error at its end.
async fn fails(fixture: &DrillFixture, words: &str, message: &str) {
    let output = fixture.run(words).await;
    let last = format!("rollback_service error: {message}\n");
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.ends_with(&last), "expected {last}got {}", output.stderr);
}

/// Runs it and expects that there was nothing to do, for this reason.
async fn says(fixture: &DrillFixture, words: &str, message: &str) {
    let output = fixture.run(words).await;
    assert_eq!((output.code, output.stdout), (0, format!("{message}: nothing to do\n")), "{}", output.stderr);
}

/// No run is known: that is said, and where else one may be.
async fn knows_no_run(fixture: &DrillFixture, words: &str, message: &str) {
    let output = fixture.run(words).await;
    let elsewhere = ELSEWHERE.join("\n");
    assert_eq!(
        (output.code, output.stdout),
        (0, format!("{elsewhere}\n\n{message}: nothing to do\n")),
        "{}",
        output.stderr
    );
}

/// Runs it until something is written, and kills it.
async fn dies(fixture: &DrillFixture, words: &str) {
    let before = fixture.changes();
    let mut child = fixture.command(words).spawn().expect("a start");
    until("a change", || fixture.changes() > before).await;
    child.kill().await.expect("to kill it");
}

/// Runs it until it is about to write, and kills it before it does.
async fn dies_in_time(fixture: &DrillFixture, words: &str) {
    let mut child = fixture.command(words).spawn().expect("a start");
    let journals = fixture.folder.path().join("journals");
    let is_applying = |path: PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains("applying"));
    let entries = || std::fs::read_dir(&journals).into_iter().flatten().flatten();
    until("the first look", || entries().any(|entry| is_applying(entry.path()))).await;
    child.kill().await.expect("to kill it");
}

/// A drill whose services were rolled back by a run, the first, that is done.
async fn rolled_back() -> DrillFixture {
    let fixture = DrillFixture::open(&["latency=30"]).await;
    fixture.look().await;
    assert_eq!(fixture.run(RUN).await.code, 0);
    fixture.stands(ShopState::Good);
    fixture
}

/// A run to the broken release.
fn forth() -> String {
    RUN.replace("DAY", &Utc::now().date_naive().to_string())
}

/// The journal whose name begins so.
fn journal(fixture: &DrillFixture, begin: &str) -> PathBuf {
    let entries = std::fs::read_dir(fixture.folder.path().join("journals")).expect("the journals");
    let is_it = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin));
    entries.map(|entry| entry.expect("an entry").path()).find(is_it).expect("the journal")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_stops_whoever_acts_until_it_is_moved_away() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    assert_eq!(fixture.run(RUN).await.code, 0);
    let journal = journal(&fixture, "1-");
    let text = std::fs::read_to_string(&journal).expect("the journal");
    std::fs::write(&journal, text.replacen("locked", "lucked", 1)).expect("to damage it");

    let damage = "failed to read the journal 'journals/RUN.journal': it is damaged at line 4, which does not match its \
                  checksum: the file was changed";
    let way_out = "Look at what that run was changing, move the file away by `mv journals/RUN.journal journals/RUN.journal.damaged`, \
                   and try again";
    for words in [RUN, RESUME] {
        fails(&fixture, words, &format!("whether an earlier run died half-way is not known: {damage}. {way_out}"))
            .await;
    }
    fails(&fixture, UNDO, &format!("which run was the last is not known: {damage}. {way_out}")).await;
    for words in [RESUME, UNDO] {
        fails(&fixture, &format!("{words} --run=1"), damage).await;
    }
    fixture.stands(ShopState::Good);

    let refusal = fixture.command(UNDO).output().await.expect("an end");
    let refusal = String::from_utf8(refusal.stderr).expect("UTF-8");
    let command = refusal.split('`').nth(1).expect("a command");
    let moved = Command::new("sh").args(["-c", command]).current_dir(fixture.folder.path()).status().expect("a shell");
    assert!(moved.success(), "{command}");
    let said = "no run changed 'dev' on http://MARATHON, by the journals in 'journals', where no run came to a plan";
    knows_no_run(&fixture, UNDO, said).await;
    let output = fixture.run(RUN).await;
    assert_eq!(output.code, 0, "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_came_to_no_plan_has_its_environment_and_left_nothing_to_undo() {
    let fixture = DrillFixture::open(&[]).await;
    fails(
        &fixture,
        RUN,
        "there is no './rollback.json': run `rollback_service get` first, or name its folder with --dump",
    )
    .await;
    for (words, said) in [
        (RESUME, "run RUN needs no resume: it changed nothing"),
        (UNDO, "run RUN left nothing changed, for it changed nothing; to undo another, give --run"),
    ] {
        says(&fixture, &format!("{words} --run=1"), said).await;
    }
    let elsewhere = "run RUN was about 'dev', not about 'stage' on http://MARATHON: give --env=dev";
    fails(&fixture, &format!("{} --run=1", UNDO.replace("dev", "stage")), elsewhere).await;

    fixture.look().await;
    assert_eq!(fixture.run(RUN).await.code, 0);
    let elsewhere = "run RUN was about 'dev' on http://MARATHON, not about 'stage' on http://MARATHON: give --env=dev";
    fails(&fixture, &format!("{} --run=3", UNDO.replace("dev", "stage")), elsewhere).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_died_is_not_undone_by_the_next_press() {
    let fixture = rolled_back().await;
    let before = fixture.changes();
    fixture.drill.faults.clear();
    fixture.drill.faults.order("latency=500".parse().expect("a fault"));
    let mut child = fixture.command(UNDO).spawn().expect("a start");
    until("a change", || fixture.changes() > before).await;
    let second = fixture.run(UNDO).await;
    assert!(second.code == 1 && second.stderr.contains("error: locked by run RUN by tester"), "{second:?}");
    child.kill().await.expect("to kill it");
    fixture.drill.faults.clear();
    let changes = fixture.changes();
    let died = "run RUN by tester on HOST died while applying on http://MARATHON: `rollback_service resume --run=RUN \
                --env=dev` finishes it, or takes it back where that cannot be done; `rollback_service undo --run=RUN \
                --env=dev` takes it back (--platform as before; in Ansible --tags resume or undo); nothing was changed";
    fails(&fixture, UNDO, died).await;
    assert_eq!(fixture.changes(), changes);
    assert_eq!(fixture.run(RESUME).await.code, 0);
    fixture.stands(ShopState::Broken);
    says(&fixture, UNDO, "the last run, RUN, was an undo already, as before run RUN; to undo that one, give --run=RUN")
        .await;
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_was_taken_back_is_as_if_it_had_not_been() {
    let fixture = rolled_back().await;
    dies(&fixture, UNDO).await;
    assert_eq!(fixture.run(&format!("{UNDO} --run=2")).await.code, 0);
    fixture.stands(ShopState::Good);
    assert_eq!(fixture.run(UNDO).await.code, 0);
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_before_one_that_left_nothing_changed_is_not_undone() {
    let fixture = rolled_back().await;
    let said = "run RUN left nothing changed, for it ended as restored; to undo another, give --run";
    // It was taken back, by `undo` alone or by two that went on.
    dies(&fixture, &forth()).await;
    assert_eq!(fixture.run(UNDO).await.code, 0);
    says(&fixture, UNDO, said).await;
    dies(&fixture, &forth()).await;
    dies(&fixture, UNDO).await;
    let output = fixture.run(RESUME).await;
    assert_eq!(output.code, 1, "it was going back: {output:?}");
    says(&fixture, UNDO, said).await;
    // It took itself back.
    fixture.drill.faults.order("hang".parse().expect("a fault"));
    let output = fixture.run(&format!("{} --timeout=2", forth())).await;
    assert_eq!(output.code, 1, "{output:?}");
    fixture.drill.faults.clear();
    says(&fixture, UNDO, said).await;
    fixture.stands(ShopState::Good);
    assert_eq!(fixture.run(&format!("{UNDO} --run=1")).await.code, 0);
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_undo_left_to_an_operator_is_undone_by_the_next_one() {
    let fixture = DrillFixture::open(&["latency=30"]).await;
    fixture.look().await;
    dies(&fixture, RUN).await;
    fixture.drill.faults.order("gone-at-write".parse().expect("a fault"));
    assert_eq!(fixture.run(&format!("{UNDO} --timeout=2")).await.code, 3);
    fixture.drill.faults.clear();
    let output = fixture.run(UNDO).await;
    assert_eq!(output.code, 0, "{output:?}");
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_since_keeps_resume_from_touching_anything() {
    let fixture = DrillFixture::furnished(&["latency=30", "unhealthy=billing"], |settings| {
        settings.platform = Platform::Kubernetes;
    });
    let fixture = fixture.await;
    fixture.look().await;
    let before = fixture.changes();
    let mut child = fixture.command(RUN).spawn().expect("a start");
    until("all changes", || fixture.changes() == before + 6).await;
    child.kill().await.expect("to kill it");
    fixture.set_users().await;
    let changes = fixture.changes();
    let output = fixture.run(&format!("{RESUME} --timeout=2")).await;
    assert_eq!((output.code, fixture.changes()), (3, changes), "{output:?}");
    let promise = "A service was changed by others since: nothing is touched, and what to do is shown.";
    assert!(output.stderr.contains(promise), "{output:?}");
    assert!(
        output.stderr.contains("users           changed since  ")
            && output.stderr.contains("billing         half-way "),
        "{output:?}"
    );
    let reason =
        "rollback_service error: a service was changed by others since that run died, and nothing more was touched. ";
    assert!(output.stderr.contains(reason), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_operator_did_is_not_taken_for_what_a_run_did_that_wrote_nothing() {
    for platform in [Platform::Marathon, Platform::Kubernetes] {
        for (way, said) in [
            (
                RESUME,
                "that run had written nothing, and the services were changed by others since; nothing was changed",
            ),
            (UNDO, "that run had written nothing; nothing was changed"),
        ] {
            let fixture = DrillFixture::furnished(&["latency=200"], |settings| settings.platform = platform).await;
            fixture.look().await;
            dies_in_time(&fixture, RUN).await;
            assert_eq!(fixture.changes(), 0);
            fixture.drill.faults.clear();
            let theirs = fixture.run(&RUN.replace("=journals", "=theirs")).await;
            assert_eq!(theirs.code, 0, "{theirs:?}");
            let changes = fixture.changes();
            let output = fixture.run(way).await;
            assert!(output.code == 0 && output.stdout.ends_with(&format!("\n{said}\n")), "{output:?}");
            let output = fixture.run(UNDO).await;
            assert!(output.code == 0 && output.stdout.contains("\nno run changed 'dev' on "), "{output:?}");
            assert_eq!(fixture.changes(), changes);
            fixture.stands(ShopState::Good);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_run_is_known_it_is_said_where_they_were_and_a_look_names_one_that_died() {
    let fixture = DrillFixture::open(&["latency=30"]).await;
    fixture.look().await;
    dies(&fixture, RUN).await;
    let known = "by the journals in 'journals', which tell of 'dev' on http://MARATHON";
    let develop = |words: &str| words.replace("dev", "develop");
    knows_no_run(&fixture, &develop(RESUME), &format!("no run of 'develop' on http://MARATHON died, {known}")).await;
    knows_no_run(&fixture, &develop(UNDO), &format!("no run changed 'develop' on http://MARATHON, {known}")).await;
    let look = "get --repo=billing,orders,users,web --env=develop --running=dev --journal=journals";
    let output = fixture.run(look).await;
    let died = "rollback_service warning: run RUN by tester on HOST died while applying on http://MARATHON: ";
    assert!(output.code == 0 && output.stderr.contains(died), "{output:?}");
}
