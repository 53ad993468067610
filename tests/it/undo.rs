//! Which run `undo` and `resume` are about, and where they refuse.

use std::path::PathBuf;
use std::process::Command;

use chrono::Utc;
use firebreak::drill::Platform;
use firebreak::drill::story::Stand;
use firebreak::journal::folder::ELSEWHERE;

use crate::support::program::{Hall, until};

const RUN: &str = "run --date=DAY --env=dev --yes --journal=journals";
const RESUME: &str = "resume --env=dev --yes --journal=journals";
const UNDO: &str = "undo --env=dev --yes --journal=journals";

/// Runs it and expects this exit code, and this one line of error at its end.
async fn fails(hall: &Hall, words: &str, message: &str) {
    let output = hall.run(words).await;
    let last = format!("rollback_service error: {message}\n");
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.ends_with(&last), "expected {last}got {}", output.stderr);
}

/// Runs it and expects that there was nothing to do, for this reason.
async fn says(hall: &Hall, words: &str, message: &str) {
    let output = hall.run(words).await;
    assert_eq!((output.code, output.stdout), (0, format!("{message}: nothing to do\n")), "{}", output.stderr);
}

/// No run is known: that is said, and where else one may be.
async fn knows_no_run(hall: &Hall, words: &str, message: &str) {
    let output = hall.run(words).await;
    let elsewhere = ELSEWHERE.join("\n");
    assert_eq!(
        (output.code, output.stdout),
        (0, format!("{elsewhere}\n\n{message}: nothing to do\n")),
        "{}",
        output.stderr
    );
}

/// Runs it until something is written, and kills it.
async fn dies(hall: &Hall, words: &str) {
    let before = hall.changes();
    let mut child = hall.command(words).spawn().expect("a start");
    until("a change", || hall.changes() > before).await;
    child.kill().await.expect("to kill it");
}

/// Runs it until it is about to write, and kills it before it does.
async fn dies_in_time(hall: &Hall, words: &str) {
    let mut child = hall.command(words).spawn().expect("a start");
    let journals = hall.folder.path().join("journals");
    let is_applying = |path: PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains("applying"));
    let entries = || std::fs::read_dir(&journals).into_iter().flatten().flatten();
    until("the first look", || entries().any(|entry| is_applying(entry.path()))).await;
    child.kill().await.expect("to kill it");
}

/// A drill whose services were rolled back by a run, the first, that is done.
async fn rolled_back() -> Hall {
    let hall = Hall::open(&["latency=30"]).await;
    hall.look().await;
    assert_eq!(hall.run(RUN).await.code, 0);
    hall.stands(Stand::Good);
    hall
}

/// A run to the broken release.
fn forth() -> String {
    RUN.replace("DAY", &Utc::now().date_naive().to_string())
}

/// The journal whose name begins so.
fn journal(hall: &Hall, begin: &str) -> PathBuf {
    let entries = std::fs::read_dir(hall.folder.path().join("journals")).expect("the journals");
    let is_it = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin));
    entries.map(|entry| entry.expect("an entry").path()).find(is_it).expect("the journal")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_stops_whoever_acts_until_it_is_moved_away() {
    let hall = Hall::open(&[]).await;
    hall.look().await;
    assert_eq!(hall.run(RUN).await.code, 0);
    let journal = journal(&hall, "1-");
    let text = std::fs::read_to_string(&journal).expect("the journal");
    std::fs::write(&journal, text.replacen("locked", "lucked", 1)).expect("to damage it");

    let damage = "failed to read the journal 'journals/RUN.journal': it is damaged at line 4, which does not match its \
                  checksum: the file was changed";
    let way_out = "Look how the services stand, move it away by `mv journals/RUN.journal journals/RUN.journal.damaged`, \
                   and try again";
    for words in [RUN, RESUME] {
        fails(&hall, words, &format!("whether an earlier run died half-way is not known: {damage}. {way_out}")).await;
    }
    fails(&hall, UNDO, &format!("which run was the last is not known: {damage}. {way_out}")).await;
    for words in [RESUME, UNDO] {
        fails(&hall, &format!("{words} --run=1"), damage).await;
    }
    hall.stands(Stand::Good);

    let refusal = hall.command(UNDO).output().await.expect("an end");
    let refusal = String::from_utf8(refusal.stderr).expect("UTF-8");
    let command = refusal.split('`').nth(1).expect("a command");
    let moved = Command::new("sh").args(["-c", command]).current_dir(hall.folder.path()).status().expect("a shell");
    assert!(moved.success(), "{command}");
    let said = "no run changed 'dev' on http://MARATHON, by the journals in 'journals', where no run came to a plan";
    knows_no_run(&hall, UNDO, said).await;
    let output = hall.run(RUN).await;
    assert_eq!(output.code, 0, "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_came_to_no_plan_has_its_environment_and_left_nothing_to_undo() {
    let hall = Hall::open(&[]).await;
    fails(
        &hall,
        RUN,
        "there is no './rollback.json': run `rollback_service get` first, or name its folder with --dump",
    )
    .await;
    for (words, said) in [
        (RESUME, "run RUN needs no resume: it changed nothing"),
        (UNDO, "run RUN left nothing changed, for it changed nothing; to undo another, give --run"),
    ] {
        says(&hall, &format!("{words} --run=1"), said).await;
    }
    let elsewhere = "run RUN was about 'dev', not about 'stage' on http://MARATHON: give that --env and --platform";
    fails(&hall, &format!("{} --run=1", UNDO.replace("dev", "stage")), elsewhere).await;

    hall.look().await;
    assert_eq!(hall.run(RUN).await.code, 0);
    let elsewhere = "run RUN was about 'dev' on http://MARATHON, not about 'stage' on http://MARATHON: give that --env \
                     and --platform";
    fails(&hall, &format!("{} --run=3", UNDO.replace("dev", "stage")), elsewhere).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_died_is_not_undone_by_the_next_press() {
    let hall = rolled_back().await;
    let before = hall.changes();
    hall.drill.faults.clear();
    hall.drill.faults.order("latency=500".parse().expect("a fault"));
    let mut child = hall.command(UNDO).spawn().expect("a start");
    until("a change", || hall.changes() > before).await;
    let second = hall.run(UNDO).await;
    assert!(
        second.code == 1 && second.stderr.contains("error: somebody else is at it: run RUN by tester"),
        "{second:?}"
    );
    child.kill().await.expect("to kill it");
    hall.drill.faults.clear();
    let changes = hall.changes();
    let died = "run RUN by tester on HOST died while applying on http://MARATHON: `rollback_service resume --run=RUN \
                --env=dev` finishes it, or takes it back where that cannot be done; `rollback_service undo --run=RUN \
                --env=dev` takes it back (--platform as before; in Ansible --tags resume or undo); nothing was changed";
    fails(&hall, UNDO, died).await;
    assert_eq!(hall.changes(), changes);
    assert_eq!(hall.run(RESUME).await.code, 0);
    hall.stands(Stand::Broken);
    says(&hall, UNDO, "the last run, RUN, was an undo already, as before run RUN; to undo that one, give --run=RUN")
        .await;
    hall.stands(Stand::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_was_taken_back_is_as_if_it_had_not_been() {
    let hall = rolled_back().await;
    dies(&hall, UNDO).await;
    assert_eq!(hall.run(&format!("{UNDO} --run=2")).await.code, 0);
    hall.stands(Stand::Good);
    assert_eq!(hall.run(UNDO).await.code, 0);
    hall.stands(Stand::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_before_one_that_left_nothing_changed_is_not_undone() {
    let hall = rolled_back().await;
    let said = "run RUN left nothing changed, for it ended as restored; to undo another, give --run";
    // It was taken back, by `undo` alone or by two that went on.
    dies(&hall, &forth()).await;
    assert_eq!(hall.run(UNDO).await.code, 0);
    says(&hall, UNDO, said).await;
    dies(&hall, &forth()).await;
    dies(&hall, UNDO).await;
    let output = hall.run(RESUME).await;
    assert_eq!(output.code, 1, "it was going back: {output:?}");
    says(&hall, UNDO, said).await;
    // It took itself back.
    hall.drill.faults.order("hang".parse().expect("a fault"));
    let output = hall.run(&format!("{} --timeout=2", forth())).await;
    assert_eq!(output.code, 1, "{output:?}");
    hall.drill.faults.clear();
    says(&hall, UNDO, said).await;
    hall.stands(Stand::Good);
    assert_eq!(hall.run(&format!("{UNDO} --run=1")).await.code, 0);
    hall.stands(Stand::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_undo_left_to_an_operator_is_undone_by_the_next_one() {
    let hall = Hall::open(&["latency=30"]).await;
    hall.look().await;
    dies(&hall, RUN).await;
    hall.drill.faults.order("gone-at-write".parse().expect("a fault"));
    assert_eq!(hall.run(&format!("{UNDO} --timeout=2")).await.code, 3);
    hall.drill.faults.clear();
    let output = hall.run(UNDO).await;
    assert_eq!(output.code, 0, "{output:?}");
    hall.stands(Stand::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_since_keeps_resume_from_touching_anything() {
    let hall =
        Hall::furnished(&["latency=30", "unhealthy=billing"], |settings| settings.platform = Platform::Kubernetes);
    let hall = hall.await;
    hall.look().await;
    let before = hall.changes();
    let mut child = hall.command(RUN).spawn().expect("a start");
    until("all changes", || hall.changes() == before + 6).await;
    child.kill().await.expect("to kill it");
    hall.set_users().await;
    let changes = hall.changes();
    let output = hall.run(&format!("{RESUME} --timeout=2")).await;
    assert_eq!((output.code, hall.changes()), (3, changes), "{output:?}");
    let promise = "Somebody changed a service since: nothing is touched, and what to do is shown.";
    assert!(output.stderr.contains(promise), "{output:?}");
    assert!(
        output.stderr.contains("users           changed since  ")
            && output.stderr.contains("billing         half-way "),
        "{output:?}"
    );
    let reason =
        "rollback_service error: somebody changed a service since that run died, and nothing more was touched. ";
    assert!(output.stderr.contains(reason), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_operator_did_is_not_taken_for_what_a_run_did_that_wrote_nothing() {
    for platform in [Platform::Marathon, Platform::Kubernetes] {
        for (way, said) in [
            (RESUME, "that run had written nothing, and somebody else changed the services since; nothing was changed"),
            (UNDO, "that run had written nothing; nothing was changed"),
        ] {
            let hall = Hall::furnished(&["latency=200"], |settings| settings.platform = platform).await;
            hall.look().await;
            dies_in_time(&hall, RUN).await;
            assert_eq!(hall.changes(), 0);
            hall.drill.faults.clear();
            let theirs = hall.run(&RUN.replace("=journals", "=theirs")).await;
            assert_eq!(theirs.code, 0, "{theirs:?}");
            let changes = hall.changes();
            let output = hall.run(way).await;
            assert!(output.code == 0 && output.stdout.ends_with(&format!("\n{said}\n")), "{output:?}");
            let output = hall.run(UNDO).await;
            assert!(output.code == 0 && output.stdout.contains("\nno run changed 'dev' on "), "{output:?}");
            assert_eq!(hall.changes(), changes);
            hall.stands(Stand::Good);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_run_is_known_it_is_said_where_they_were_and_a_look_names_one_that_died() {
    let hall = Hall::open(&["latency=30"]).await;
    hall.look().await;
    dies(&hall, RUN).await;
    let known = "by the journals in 'journals', which tell of 'dev' on http://MARATHON";
    let develop = |words: &str| words.replace("dev", "develop");
    knows_no_run(&hall, &develop(RESUME), &format!("no run of 'develop' on http://MARATHON died, {known}")).await;
    knows_no_run(&hall, &develop(UNDO), &format!("no run changed 'develop' on http://MARATHON, {known}")).await;
    let look = "get --repo=billing,orders,users,web --env=develop --running=dev --journal=journals";
    let output = hall.run(look).await;
    let died = "rollback_service warning: run RUN by tester on HOST died while applying on http://MARATHON: ";
    assert!(output.code == 0 && output.stderr.contains(died), "{output:?}");
}
