//! Which run `undo` and `resume` are about, and where they refuse.

use std::path::PathBuf;
use std::process::Command;

use firebreak::drill::story::Stand;

use crate::support::program::Hall;

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
    let output = hall.run(UNDO).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(output.stdout, "no run changed 'dev' on http://MARATHON: nothing to do\n");
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
    for (words, said) in [(RESUME, "run RUN did not die"), (UNDO, "run RUN left nothing changed")] {
        let output = hall.run(&format!("{words} --run=1")).await;
        assert_eq!(output.code, 0, "{output:?}");
        assert_eq!(output.stdout, format!("{said}: it changed nothing: nothing to do\n"));
    }
    let elsewhere = "run RUN was about 'dev', not about 'stage' on http://MARATHON: give that --env and --platform";
    fails(&hall, &format!("{} --run=1", UNDO.replace("dev", "stage")), elsewhere).await;

    hall.look().await;
    assert_eq!(hall.run(RUN).await.code, 0);
    let elsewhere = "run RUN was about 'dev' on http://MARATHON, not about 'stage' on http://MARATHON: give that --env \
                     and --platform";
    fails(&hall, &format!("{} --run=3", UNDO.replace("dev", "stage")), elsewhere).await;
}
