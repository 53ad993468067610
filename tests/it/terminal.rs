//! `rollback_service` at a terminal: a pseudo-terminal in which keys are pressed and the screen is read.

use std::process::Command;

use firebreak::drill::story::Stand;
use rexpect::session::{PtySession, spawn_command};

use crate::support::program::Hall;

const DOWN: &str = "\u{1b}[B";
const ENTER: &str = "\r";
const ESCAPE: &str = "\u{1b}";
const CONTROL_C: u8 = 3;

/// The program at a terminal, led to the drill; an answer that takes over half a minute fails the test.
fn sit_down(hall: &Hall, words: &str) -> PtySession {
    let mut command = Command::new(crate::support::program::PROGRAM);
    command
        .args(words.replace("DAY", &hall.day()).split_whitespace())
        .current_dir(hall.folder.path())
        .env_clear()
        .envs(hall.drill.environment())
        .env("TERM", "xterm-256color")
        .env("XDG_CACHE_HOME", hall.folder.path().join("cache"));
    spawn_command(command, Some(30_000)).expect("a pseudo-terminal")
}

fn press(session: &mut PtySession, keys: &str) {
    session.send(keys).expect("to press keys");
    session.flush().expect("to press keys");
}

/// The rest of the screen and the exit code.
fn leave(mut session: PtySession) -> (String, i32) {
    let screen = session.exp_eof().expect("the program ends");
    match session.process().wait().expect("an exit code") {
        nix::sys::wait::WaitStatus::Exited(_, code) => (screen, code),
        other => panic!("the program ended by {other:?}"),
    }
}

/// Runs what blocks beside the drill's servers.
async fn at_a_terminal<T: Send + 'static>(hall: Hall, act: impl FnOnce(&Hall) -> T + Send + 'static) -> (Hall, T) {
    tokio::task::spawn_blocking(move || {
        let result = act(&hall);
        (hall, result)
    })
    .await
    .expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_is_chosen_and_the_plan_confirmed() {
    let hall = Hall::open(&[]).await;
    hall.look().await;
    let (hall, (screen, code)) = at_a_terminal(hall, |hall| {
        let mut session = sit_down(hall, "run --env=dev");
        session.exp_string("Back to the end of which day? Images of 'develop', UTC").expect("the question");
        session.exp_string(&hall.day()).expect("the day");
        press(&mut session, DOWN);
        press(&mut session, ENTER);
        session.exp_string("The plan: 'dev' on http://").expect("the plan");
        session.exp_string("2.2.0-develop").expect("the last step of the plan");
        session.exp_string("Change 5 workloads of 4 services of 'dev'").expect("the question");
        press(&mut session, "y");
        press(&mut session, ENTER);
        leave(session)
    })
    .await;
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("5 workloads of 4 services rolled back and verified"), "{screen}");
    assert!(screen.contains("\u{1b}[32mrolled back"), "colours on a terminal: {screen}");
    hall.stands(Stand::Good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_and_an_escape_change_nothing() {
    let hall = Hall::open(&[]).await;
    hall.look().await;
    let (hall, ends) = at_a_terminal(hall, |hall| {
        let mut session = sit_down(hall, "run --env=dev --date=DAY");
        session.exp_string("Change 5 workloads of 4 services of 'dev'").expect("the question");
        press(&mut session, "n");
        press(&mut session, ENTER);
        let no = leave(session);
        let mut session = sit_down(hall, "run --env=dev");
        session.exp_string("Back to the end of which day?").expect("the question");
        session.exp_string(&hall.day()).expect("the days");
        press(&mut session, ESCAPE);
        [no, leave(session)]
    })
    .await;
    for ((screen, code), message) in
        ends.iter().zip(["not confirmed: nothing was changed", "no date was chosen: nothing was changed"])
    {
        assert_eq!(*code, 4, "{screen}");
        assert!(screen.contains(message), "{screen}");
    }
    hall.stands(Stand::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_before_the_question_is_no_answer() {
    let hall = Hall::open(&["latency=100"]).await;
    hall.look().await;
    let (hall, (screen, code)) = at_a_terminal(hall, |hall| {
        let mut session = sit_down(hall, "run --env=dev --date=DAY");
        press(&mut session, "y");
        press(&mut session, ENTER);
        session.exp_string("Change 5 workloads of 4 services of 'dev'").expect("the question");
        std::thread::sleep(std::time::Duration::from_millis(300));
        press(&mut session, ENTER);
        leave(session)
    })
    .await;
    assert_eq!(code, 4, "{screen}");
    hall.stands(Stand::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_environment_must_be_typed_out() {
    let hall = Hall::open(&[]).await;
    assert_eq!(hall.run("get --repo=billing,orders,users,web --env=master").await.code, 0);
    let (hall, codes) = at_a_terminal(hall, |hall| {
        ["yes", "prod"].map(|word| {
            let mut session = sit_down(hall, "run --env=prod --date=DAY");
            session
                .exp_string("Type the environment's name to change 5 workloads of 4 services of 'prod'")
                .expect("the question");
            press(&mut session, word);
            press(&mut session, ENTER);
            leave(session)
        })
    })
    .await;
    assert_eq!((codes[0].1, codes[1].1), (4, 0), "{codes:?}");
    assert!(hall.drill.proof("prod", Stand::Good).expect("an environment").holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_c_at_a_question_ends_at_once_and_gives_the_cursor_back() {
    let hall = Hall::open(&[]).await;
    hall.look().await;
    let (hall, ends) = at_a_terminal(hall, |hall| {
        [
            ("run --env=dev", "Back to the end of which day?"),
            ("run --env=dev --date=DAY", "Change 5 workloads of 4 services"),
        ]
        .map(|(words, question)| {
            let mut session = sit_down(hall, words);
            session.exp_string(question).expect("the question");
            std::thread::sleep(std::time::Duration::from_millis(300));
            press(&mut session, char::from(CONTROL_C).to_string().as_str());
            leave(session)
        })
    })
    .await;
    for (screen, code) in ends {
        assert_eq!(code, 130, "{screen}");
        assert!(screen.contains("interrupted: nothing was changed"), "{screen}");
        assert!(screen.contains("\u{1b}[?25h"), "the cursor is shown again: {screen:?}");
    }
    hall.stands(Stand::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_c_while_services_change_takes_the_set_back() {
    let hall = Hall::open(&["hang"]).await;
    hall.look().await;
    let (hall, (screen, code)) = at_a_terminal(hall, |hall| {
        let mut session = sit_down(hall, "run --env=dev --date=DAY --yes");
        while hall.drill.marathon().applications().deployments() == 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        press(&mut session, char::from(CONTROL_C).to_string().as_str());
        leave(session)
    })
    .await;
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains("Interrupted: taking the set back."), "{screen}");
    assert!(screen.contains("interrupted; all that had been changed was restored"), "{screen}");
    hall.stands(Stand::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_color_is_obeyed() {
    let hall = Hall::open(&[]).await;
    let (_hall, (screen, code)) = at_a_terminal(hall, |hall| {
        let mut command = Command::new(crate::support::program::PROGRAM);
        command
            .args(["get", "--repo=billing,orders", "--env=develop"])
            .current_dir(hall.folder.path())
            .env_clear()
            .envs(hall.drill.environment())
            .envs([("TERM", "xterm-256color"), ("NO_COLOR", "1")]);
        leave(spawn_command(command, Some(30_000)).expect("a pseudo-terminal"))
    })
    .await;
    assert_eq!(code, 0, "{screen}");
    for colour in ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[3"] {
        assert!(!screen.contains(colour), "{screen:?}");
    }
}
