//! `rollback_service` at a terminal: a pseudo-terminal in which keys are pressed and the screen is read.

use std::process::Command;

use firebreak::drill::story::ShopState;
use rexpect::session::PtySession;

use crate::support::program::DrillFixture;
use crate::support::pty;

const DOWN: &str = "\u{1b}[B";
const ENTER: &str = "\r";
const ESCAPE: &str = "\u{1b}";
const CONTROL_C: u8 = 3;

/// The program at a terminal, led to the drill.
fn sit_down(fixture: &DrillFixture, words: &str) -> PtySession {
    sit_down_at(fixture, words, "xterm-256color")
}

/// The same at a terminal of this kind.
fn sit_down_at(fixture: &DrillFixture, words: &str, kind: &str) -> PtySession {
    let mut command = Command::new(crate::support::program::PROGRAM);
    command
        .args(words.replace("DAY", &fixture.day()).split_whitespace())
        .current_dir(fixture.folder.path())
        .env_clear()
        .envs(fixture.drill.environment())
        .env("TERM", kind)
        .env("XDG_CACHE_HOME", fixture.folder.path().join("cache"));
    pty::start(command)
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
async fn at_a_terminal<T: Send + 'static>(
    fixture: DrillFixture,
    act: impl FnOnce(&DrillFixture) -> T + Send + 'static,
) -> (DrillFixture, T) {
    tokio::task::spawn_blocking(move || {
        let result = act(&fixture);
        (fixture, result)
    })
    .await
    .expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_is_chosen_and_the_plan_confirmed() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let (fixture, (screen, code)) = at_a_terminal(fixture, |fixture| {
        let mut session = sit_down(fixture, "run --env=dev");
        session.exp_string("Back to the end of which day? Images of 'develop', UTC").expect("the question");
        session.exp_string(&fixture.day()).expect("the day");
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
    fixture.stands(ShopState::Good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_and_an_escape_change_nothing() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let (fixture, ends) = at_a_terminal(fixture, |fixture| {
        let mut session = sit_down(fixture, "run --env=dev --date=DAY");
        session.exp_string("Change 5 workloads of 4 services of 'dev'").expect("the question");
        press(&mut session, "n");
        press(&mut session, ENTER);
        let no = leave(session);
        let mut session = sit_down(fixture, "run --env=dev");
        session.exp_string("Back to the end of which day?").expect("the question");
        session.exp_string(&fixture.day()).expect("the days");
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
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_before_the_question_is_no_answer() {
    let fixture = DrillFixture::open(&["latency=100"]).await;
    fixture.look().await;
    let (fixture, (screen, code)) = at_a_terminal(fixture, |fixture| {
        let mut session = sit_down(fixture, "run --env=dev --date=DAY");
        press(&mut session, "y");
        press(&mut session, ENTER);
        session.exp_string("Change 5 workloads of 4 services of 'dev'").expect("the question");
        std::thread::sleep(std::time::Duration::from_millis(300));
        press(&mut session, ENTER);
        leave(session)
    })
    .await;
    assert_eq!(code, 4, "{screen}");
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_environment_must_be_typed_out() {
    let fixture = DrillFixture::open(&[]).await;
    assert_eq!(fixture.run("get --repo=billing,orders,users,web --env=master").await.code, 0);
    let (fixture, codes) = at_a_terminal(fixture, |fixture| {
        ["yes", "prod"].map(|word| {
            let mut session = sit_down(fixture, "run --env=prod --date=DAY");
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
    assert!(fixture.drill.proof("prod", ShopState::Good).expect("an environment").holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_c_at_a_question_ends_at_once_and_gives_the_cursor_back() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let (fixture, ends) = at_a_terminal(fixture, |fixture| {
        [
            ("run --env=dev", "Back to the end of which day?"),
            ("run --env=dev --date=DAY", "Change 5 workloads of 4 services"),
        ]
        .map(|(words, question)| {
            let mut session = sit_down(fixture, words);
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
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_c_while_services_change_takes_the_set_back() {
    let fixture = DrillFixture::open(&["hang"]).await;
    fixture.look().await;
    let (fixture, (screen, code)) = at_a_terminal(fixture, |fixture| {
        let mut session = sit_down(fixture, "run --env=dev --date=DAY --yes");
        while fixture.drill.marathon().applications().deployments() == 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        press(&mut session, char::from(CONTROL_C).to_string().as_str());
        leave(session)
    })
    .await;
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains("Interrupted: taking the set back."), "{screen}");
    assert!(screen.contains("interrupted; all that had been changed was restored"), "{screen}");
    fixture.stands(ShopState::Broken);
}

/// What a line of the shell shows at a terminal, `PROGRAM` being the program. It must end well.
fn shown(fixture: &DrillFixture, line: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new("sh");
    command
        .args(["-c", &line.replace("PROGRAM", crate::support::program::PROGRAM)])
        .current_dir(fixture.folder.path())
        .env_clear()
        .envs(fixture.drill.environment())
        .envs([("PATH", "/usr/bin:/bin"), ("TERM", "xterm-256color")])
        .envs(variables.iter().copied());
    let (screen, code) = leave(pty::start(command));
    assert_eq!(code, 0, "{screen}");
    // Each byte is a letter there.
    let bytes = screen.chars().map(|letter| u8::try_from(letter).expect("a byte"));
    String::from_utf8(bytes.collect()).expect("UTF-8")
}

/// How often a screen changes its colours: `ESC [ … m`.
fn colours(screen: &str) -> usize {
    let is_colour = |rest: &&str| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m');
    screen.split("\u{1b}[").skip(1).filter(is_colour).count()
}

const LOOK: &str = "PROGRAM get --repo=billing,orders --env=develop";

/// The same command at three terminals: alone, where stdout goes elsewhere, and where no colours are wanted. What it found is the
/// same; only the first has colours and bars, only the last bars.
#[tokio::test(flavor = "multi_thread")]
async fn colours_and_bars_are_where_they_are_wanted_and_what_was_found_is_the_same() {
    // Slow, so that a bar is seen.
    let fixture = DrillFixture::open(&["latency=100"]).await;
    let (fixture, (alone, elsewhere, plain, table)) = at_a_terminal(fixture, |fixture| {
        let elsewhere = shown(fixture, &format!("{LOOK} >table"), &[]);
        let table = std::fs::read_to_string(fixture.folder.path().join("table")).expect("what was found");
        (shown(fixture, LOOK, &[]), elsewhere, shown(fixture, LOOK, &[("NO_COLOR", "1")]), table)
    })
    .await;
    let is_bar = |c: char| "━╌".contains(c);
    assert!(alone.contains(is_bar) && plain.contains(is_bar), "bars: {alone:?}, {plain:?}");
    assert!(!elsewhere.contains(is_bar) && !table.contains(is_bar), "no bars: {elsewhere:?}");
    assert!(colours(&alone) > 0, "colours: {alone:?}");
    assert_eq!((colours(&plain), colours(&table)), (0, 0), "no colours: {plain:?}, {table:?}");
    // What a bar shows elsewhere is a line.
    let news = |screen: &str| screen.lines().filter(|line| line.starts_with("  billing: ")).count();
    assert!(news(&elsewhere) > 0, "{elsewhere:?}");
    assert_eq!((news(&alone), news(&plain)), (0, 0), "{alone:?}, {plain:?}");
    assert!(table.contains(&fixture.day()), "{table:?}");
    for screen in [&alone, &plain] {
        let screen = console::strip_ansi_codes(screen);
        let missing: Vec<_> = table.lines().filter(|line| !screen.contains(line)).collect();
        assert!(missing.is_empty(), "{missing:?} is not in {screen:?}");
    }
    assert!(!plain.contains("\u{1b}[?25h"), "a cursor that was never hidden is not shown: {plain:?}");
}

/// A terminal that only prints line after line: an editor's, a log's. Questions are answered by lines there.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_cursor_cannot_be_moved_all_is_lines() {
    // Slow, so that there is progress to tell.
    let fixture = DrillFixture::open(&["latency=100"]).await;
    let (fixture, (looks, (screen, code))) = at_a_terminal(fixture, |fixture| {
        let dumb = ("TERM", "dumb");
        let unknown = format!("unset TERM; {LOOK}");
        let looks = [(LOOK, &[dumb][..]), (LOOK, &[dumb, ("NO_COLOR", "1")]), (&unknown, &[])]
            .map(|(line, variables)| shown(fixture, line, variables));
        let all = shown(fixture, "PROGRAM get --repo=billing,orders,users,web --env=develop", &[dumb]);
        assert!(!all.contains('\u{1b}'), "{all:?}");
        let mut session = sit_down_at(fixture, "run --env=dev", "dumb");
        let mut seen = session.exp_string(&format!("   2  {}", fixture.day())).expect("the days");
        for answer in ["0", "the first", "2"] {
            seen += &session.exp_string("Its number, 1 to ").expect("the question");
            press(&mut session, &format!("{answer}\n"));
        }
        for question in ["Change 5 workloads of 4 services of 'dev'", "[y/N] "] {
            seen += &session.exp_string(question).expect("the question");
        }
        press(&mut session, "yes\n");
        let (rest, code) = leave(session);
        (looks, (seen + &rest, code))
    })
    .await;
    for look in &looks {
        assert!(!look.contains('\u{1b}'), "{look:?}");
        // Nothing is drawn over: a carriage return stands before a new line alone.
        assert_eq!(look.matches('\r').count(), look.matches("\r\n").count(), "{look:?}");
        assert!(look.lines().any(|line| line.starts_with("  billing: ")), "progress: {look:?}");
        assert!(look.contains(&fixture.day()), "{look:?}");
    }
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains('\u{1b}'), "{screen:?}");
    assert!(screen.contains("5 workloads of 4 services rolled back and verified"), "{screen}");
    fixture.stands(ShopState::Good);
}
