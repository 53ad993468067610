//! `rollback_service` from its command line to its exit code: every outcome, and every kind of bad input.

use std::time::Duration;

use firebreak::drill::registry::Auth;
use firebreak::drill::story::{SECRET, ShopState};
use serde_json::Value;

use crate::support::program::{DrillFixture, Output, send, until};

const LOOK: &str = "get --repo=billing,orders,users,web --env=develop";
const RUN: &str = "run --date=DAY --env=dev --yes";

fn report(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("one JSON document: {error}: {output:?}"))
}

/// Runs it and expects this exit code and this one line of error, after nothing or after the plan.
async fn fails(fixture: &DrillFixture, words: &str, code: i32, message: &str) {
    let output = fixture.run(words).await;
    let last = format!("rollback_service error: {message}\n");
    assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{output:?}");
    assert!(output.stderr.ends_with(&last), "expected {last}got {}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_shows_the_dates_and_writes_them_down() {
    let fixture = DrillFixture::open(&[]).await;
    let output = fixture.run(LOOK).await;
    assert_eq!(output.code, 0, "{output:?}");
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["date", "billing", "orders", "users", "web"]);
    let day = lines.iter().find(|line| line.starts_with("DAY")).expect("the day to go back to");
    assert_eq!(
        day.split_whitespace().skip(1).collect::<Vec<_>>(),
        ["1.2.0-develop", "↑", "1.1.0-develop", "1.3.1-develop", "2.2.0-develop"]
    );
    assert!(output.stdout.contains("↑ nothing was built that day: the newest image from before it\n"), "{output:?}");
    assert!(output.stdout.contains("images without a date are never chosen\n"), "{output:?}");
    assert!(output.stdout.ends_with("; written to ./rollback.json\n"), "{output:?}");
    let dump: Value = serde_json::from_slice(&std::fs::read(fixture.dump()).expect("the dump")).expect("JSON");
    let dates: Vec<&String> = dump["rollbacks"].as_object().expect("an object").keys().collect();
    assert_eq!(dates.len(), 5);
    assert!(dates.is_sorted_by(|a, b| a > b), "{dates:?}");
    assert_eq!(dump["all"], serde_json::json!(["billing", "orders", "users", "web"]));
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_offers_as_many_dates_as_asked_for_and_remembers_all_images() {
    let fixture = DrillFixture::open(&[]).await;
    let output = fixture.run(&format!("{LOOK} --keep=1 --format=json")).await;
    let report = report(&output);
    assert_eq!((output.code, &report["command"], &report["changed"]), (0, &"get".into(), &false.into()));
    assert_eq!(report["dates"].as_array().map(Vec::len), Some(1));
    let run = fixture.run(&format!("{RUN} --check")).await;
    assert_eq!(run.code, 0, "an older date can still be gone back to: {run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_takes_the_set_back_and_the_second_time_there_is_nothing_to_do() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let output = fixture.run(&format!("{RUN} --format=json")).await;
    assert_eq!(output.code, 0, "{output:?}");
    fixture.stands(ShopState::Good);
    let done = report(&output);
    assert_eq!((&done["outcome"], &done["changed"]), (&"done".into(), &true.into()));
    assert_eq!(done["message"], "5 workloads of 4 services rolled back and verified");
    assert_eq!(done["who"], serde_json::json!({"user": "tester"}));
    let step = &done["steps"][2];
    assert_eq!(
        (&step["subject"], &step["id"], &step["before"], &step["after"], &step["tag"]),
        (
            &"orders".into(),
            &"/shop/dev/shop/orders".into(),
            &"REGISTRY/orders:1.2.0-develop".into(),
            &"REGISTRY/orders:1.1.0-develop".into(),
            &"1.1.0-develop".into()
        )
    );
    let states: Vec<&Value> = done["results"].as_array().expect("results").iter().map(|r| &r["state"]).collect();
    assert_eq!(states, ["target"; 5]);
    assert!(!format!("{output:?}").contains(SECRET));

    let told = fixture.told();
    assert_eq!(
        told[0],
        "tester takes 'dev' back to DAY: billing to 1.2.0-develop, billing-worker to 1.2.0-develop, orders to 1.1.0-develop, users to 1.3.1-develop, web to 2.2.0-develop"
    );
    assert_eq!(told[1], "/shop/dev/shop/billing: rolled back, REGISTRY/billing:1.2.0-develop");
    assert_eq!((told.len(), &*told[6]), (7, "dev: 5 workloads of 4 services rolled back and verified"));

    let again = fixture.run(&format!("{RUN} --format=json")).await;
    let report = report(&again);
    assert_eq!((again.code, &report["outcome"], &report["changed"]), (0, &"nothing_to_do".into(), &false.into()));
    assert_eq!(fixture.told().len(), 7, "Slack is not told of nothing");
    assert_eq!(report["steps"][0]["note"], "", "what is not touched needs no note");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stands_there_already_is_not_touched_and_has_its_result() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    assert_eq!(fixture.run(&format!("{RUN} --pin")).await.code, 0);
    let before = (chrono::Utc::now() - chrono::TimeDelta::days(2)).date_naive();
    let output = fixture.run(&format!("run --date={before} --env=dev --yes --format=json")).await;
    let report = report(&output);
    let results: Vec<_> = report["results"].as_array().expect("results").iter().collect();
    let states: Vec<_> = results.iter().map(|result| [result["subject"].as_str(), result["state"].as_str()]).collect();
    let expected = [
        ["billing", "target"],
        ["billing-worker", "target"],
        ["orders", "unchanged"],
        ["users", "target"],
        ["web", "target"],
    ];
    assert_eq!(states, expected.map(|pair| pair.map(Some)));
    assert_eq!(report["message"], "4 workloads of 3 services rolled back and verified");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_plans_and_changes_nothing() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let output = fixture.run("run --date=DAY --env=dev --check --format=json").await;
    let report = report(&output);
    assert_eq!((output.code, &report["outcome"], &report["changed"]), (0, &"planned".into(), &true.into()));
    fixture.stands(ShopState::Broken);
    assert_eq!(fixture.told(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn pin_writes_digests() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let output = fixture.run(&format!("{RUN} --pin")).await;
    assert_eq!(output.code, 0, "{output:?}");
    let app = fixture.drill.marathon().applications().app("/shop/dev/shop/billing").expect("the application");
    let digest = fixture.drill.registry.images().digest("billing", "1.2.0-develop").expect("the image");
    let image = app["container"]["docker"]["image"].as_str().expect("an image");
    assert_eq!(image, format!("{}/billing@{digest}", fixture.drill.registry.address()));
    assert_eq!(fixture.run(RUN).await.code, 0, "the pinned image is recognised");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_run_needs_a_date_and_a_yes() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let message = "`run` needs --date where no terminal is: one of those that `rollback_service get` prints";
    fails(&fixture, "run --env=dev --yes", 2, message).await;
    let output = fixture.run("run --date=DAY --env=dev").await;
    assert_eq!(output.code, 4, "{output:?}");
    assert!(
        output.stderr.ends_with("error: --yes is needed where no terminal is: nothing was changed\n"),
        "{output:?}"
    );
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_is_named() {
    let fixture = DrillFixture::open(&[]).await;
    for (words, message) in [
        ("", "a command is missing, one of `get`, `run`, `undo`, `resume`"),
        ("rum", "there is no command 'rum' (there are `get`, `run`, `undo`, `resume`): did you mean `run`?"),
        (
            "get --env=develop",
            "`get` needs --repo=<r>: Repositories of the services, separated by commas: billing,orders,team/web.",
        ),
        ("get --repo=a --env=b --yes", "`get` does not take --yes: it belongs to `run`, `undo`, `resume`"),
        ("run --env=dev --keep=3", "`run` does not take --keep: it belongs to `get`"),
        (
            "run --env=dev --date=2026-02-30",
            "--date: '2026-02-30' is neither a day (2026-11-20) nor an instant of RFC 3339 (2026-11-20T18:00:00Z)",
        ),
        ("run --env=dev --timeout=soon", "--timeout cannot be 'soon': it is a whole number of seconds, 1 to 86400"),
        (
            "get --repo=a --env=b --registry=registry",
            "--registry: 'registry' is not the address of a registry: it has no scheme; write it as https://host[:port][/prefix]",
        ),
        ("get --repo=a --env=b --dump=/no/such/folder", "--dump: '/no/such/folder' is no folder"),
    ] {
        let output = fixture.run(words).await;
        let expected = format!("rollback_service error: {message}\n");
        assert!(output.stderr.starts_with(&expected), "`{words}`: expected {expected}got {}", output.stderr);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "`{words}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_registry_does_not_have_is_named_and_the_old_dump_stays() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.drill.registry.images().create("empty");
    fixture.look().await;
    let before = std::fs::read(fixture.dump()).expect("the dump");
    for (words, part) in [
        ("get --repo=billing,nothing --env=develop", "'nothing'"),
        ("get --repo=billing,empty --env=develop", "'empty'"),
        ("get --repo=billing --env=devlop", "no tag of 'billing' ends with 'devlop'"),
        (
            "get --repo=billing --env=dev",
            "they end with: develop, latest, master, predevelop, premaster, prestage, stage",
        ),
        (
            "run --date=DAY --env=develop --yes",
            "no application of 'develop' runs on http://MARATHON: 'develop' (--env, or --running of `get`) was compared \
             with the second part of each id, /<department>/<environment>/<project>/<service>, and there are \
             '/shop/dev/shop/billing' and '/shop/dev/shop/billing-worker'\n",
        ),
        ("get --repo=billing --env=develop --registry=http://127.0.0.1:1", "127.0.0.1:1"),
    ] {
        let output = fixture.run(words).await;
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "`{words}`: {output:?}");
        assert!(output.stderr.contains(part), "`{words}` should name {part}: {}", output.stderr);
    }
    assert_eq!(std::fs::read(fixture.dump()).expect("the dump"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_lies_or_loops_is_found_out() {
    for fault in ["registry-lies", "registry-loops"] {
        let fixture = DrillFixture::open(&[fault]).await;
        let output = fixture.run(LOOK).await;
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{fault}: {output:?}");
        assert!(!fixture.dump().exists());
    }
    let fixture = DrillFixture::open(&["registry-429=3:1", "registry-503=2"]).await;
    fixture.look().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_asks_for_a_password_gets_it_and_a_wrong_one_is_named_without_being_shown() {
    let auth = || Auth::Basic { user: "ann".into(), password: "open sesame".into() };
    let fixture = DrillFixture::furnished(&[], |settings| settings.auth = auth()).await;
    let words = format!("{LOOK} --registry-user=ann");
    assert_eq!(fixture.run(&words).await.code, 0);
    let output = fixture
        .end(fixture.command(&words).env("FIREBREAK_REGISTRY_PWD", "wrong-guess").spawn().expect("a start"))
        .await;
    assert_eq!(output.code, 1);
    assert!(
        output.stderr.contains("refuses the user and password") && !output.stderr.contains("wrong-guess"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_missing_cut_short_edited_or_of_another_environment_is_refused() {
    let fixture = DrillFixture::open(&[]).await;
    let path = "'./rollback.json'";
    let again = "run `rollback_service get` again";
    let missing = "run `rollback_service get` first, or name its folder with --dump";
    fails(&fixture, RUN, 1, &format!("there is no {path}: {missing}")).await;
    fixture.look().await;
    let text = std::fs::read_to_string(fixture.dump()).expect("the dump");
    std::fs::write(fixture.dump(), text.replace("1.1.0-develop", "1.0.0-develop")).expect("to write");
    fails(&fixture, RUN, 1, &format!("{path} was edited since `rollback_service get` wrote it: {again}")).await;
    std::fs::write(fixture.dump(), &text[..text.len() / 2]).expect("to write");
    let output = fixture.run(RUN).await;
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains(&format!("{path} is damaged or cut short: {again}")), "{output:?}");
    assert_eq!(fixture.run("get --repo=billing,orders,users,web --env=master").await.code, 0);
    let output = fixture.run(RUN).await;
    assert_eq!(output.code, 1);
    let line = "'/shop/dev/shop/billing' runs 'REGISTRY/billing:1.3.0-develop', an image of 'develop', and rollback.json is of 'master'";
    assert!(output.stderr.contains(line), "{output:?}");
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_before_everything_is_refused_with_each_service_named() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let output = fixture.run("run --date=2001-01-01 --env=dev --yes").await;
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    for service in ["billing", "orders", "users", "web"] {
        assert!(output.stderr.contains(&format!("'{service}' has no image that old")), "{output:?}");
    }
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_went_or_a_tag_that_moved_since_get_is_refused() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let images = fixture.drill.registry.images();
    let other = images.digest("billing", "1.0.0-develop").expect("an image");
    images.tag("billing", "1.2.0-develop", &other);
    let output = fixture.run(RUN).await;
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("the tag '1.2.0-develop' of 'billing' now points at sha256:"), "{output:?}");
    images.untag("billing", "1.2.0-develop");
    let output = fixture.run(RUN).await;
    assert!(output.stderr.contains("the tag '1.2.0-develop' of 'billing' is gone"), "{output:?}");
    fixture.stands(ShopState::Broken);
}

/// Runs `run` under a fault and expects this end; the set must stand like this.
async fn ends(fault: &str, options: &str, code: i32, outcome: &str, stand: ShopState) -> Value {
    let fixture = DrillFixture::open(&[fault]).await;
    fixture.look().await;
    let output = fixture.run(&format!("{RUN} --format=json {options}")).await;
    let report = report(&output);
    assert_eq!((output.code, report["outcome"].as_str()), (code, Some(outcome)), "{fault}: {output:?}");
    fixture.stands(stand);
    assert!(!format!("{output:?}").contains(SECRET));
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing() {
    let refused = ends("refuse=users", "", 1, "failed", ShopState::Broken).await;
    assert_eq!(refused["changed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_somebody_else_changes_or_holds_is_named_and_nothing_is_written() {
    let holds = "a deployment by others holds the services";
    for (fault, part) in [("change=orders:1", "/shop/dev/shop/orders"), ("lock=web", holds)] {
        let fixture = DrillFixture::open(&[]).await;
        fixture.look().await;
        fixture.drill.faults.order(fault.parse().expect("a fault"));
        let output = fixture.run(&format!("{RUN} --format=json --timeout=2")).await;
        let report = report(&output);
        assert_eq!((output.code, report["outcome"].as_str()), (1, Some("failed")), "{output:?}");
        assert!(report["message"].as_str().expect("a message").contains(part), "{report}");
        for service in fixture.drill.proof("dev", ShopState::Broken).expect("an environment").services {
            assert_eq!(service.found, service.wanted);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_restored() {
    ends("unhealthy=billing", "--timeout=2", 1, "restored", ShopState::Broken).await;
    ends("hang", "--timeout=2", 1, "restored", ShopState::Broken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_like_a_failure_is_none() {
    ends("lose-reply", "", 0, "done", ShopState::Good).await;
    ends("lock=web:300", "", 0, "done", ShopState::Good).await;
    let report = ends("slack-fails", "", 0, "done", ShopState::Good).await;
    assert_eq!(report["outcome"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_goes_away_in_the_middle_leaves_each_service_named() {
    let fixture = DrillFixture::open(&["gone-at-write"]).await;
    fixture.look().await;
    let output = fixture.run(&format!("{RUN} --format=json --timeout=2")).await;
    let report = report(&output);
    assert_eq!((output.code, report["outcome"].as_str()), (3, Some("needs_operator")), "{output:?}");
    assert_eq!(report["changed"], true);
    let message = report["message"].as_str().expect("a message");
    for service in ["billing", "orders", "users", "web"] {
        assert!(message.contains(&format!("'/shop/dev/shop/{service}'")), "{message}");
    }
    let gone = DrillFixture::open(&[]).await;
    gone.look().await;
    gone.drill.faults.order("gone".parse().expect("a fault"));
    assert_eq!(gone.run(RUN).await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_interrupt_takes_the_set_back() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let fixture = DrillFixture::open(&["hang"]).await;
        fixture.look().await;
        let child = fixture.command(&format!("{RUN} --format=json")).spawn().expect("a start");
        until("the deployment", || fixture.drill.marathon().applications().deployments() > 0).await;
        send(&child, signal).await;
        let output = fixture.end(child).await;
        let report = report(&output);
        assert_eq!((output.code, report["outcome"].as_str()), (130, Some("interrupted")), "{output:?}");
        assert_eq!(report["message"], "interrupted; all that had been changed was restored");
        let states: Vec<&Value> = report["results"].as_array().expect("results").iter().map(|r| &r["state"]).collect();
        assert_eq!(states, ["before"; 5]);
        fixture.stands(ShopState::Broken);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_in_the_middle_the_next_run_names_both_ways_out() {
    for (way, stand) in [("resume", ShopState::Good), ("undo", ShopState::Broken)] {
        let fixture = DrillFixture::open(&["latency=30"]).await;
        fixture.look().await;
        let mut child = fixture.command(RUN).spawn().expect("a start");
        until("the deployment", || fixture.drill.marathon().applications().deployments() > 0).await;
        child.kill().await.expect("to kill it");
        let output = fixture.run(&format!("{RUN} --format=json")).await;
        let refused = report(&output);
        assert_eq!((output.code, refused["outcome"].as_str()), (1, Some("failed")), "{output:?}");
        assert_eq!(
            refused["message"],
            "run RUN by tester on HOST died while applying on http://MARATHON: \
             `rollback_service resume --run=RUN --env=dev` finishes it, or takes it back where that cannot be done; \
             `rollback_service undo --run=RUN --env=dev` takes it back (--platform as before; in Ansible --tags resume or \
             undo); nothing was changed"
        );
        let output = fixture.run(&format!("{way} --env=dev")).await;
        assert_eq!(output.code, 4, "nobody said yes: {output:?}");
        assert!(
            output.stderr.contains("Run RUN, back to DAY, died while applying. This is how it stands:"),
            "{output:?}"
        );
        let goes =
            if way == "resume" { "Every service is at its target: " } else { "What the run changed is taken back." };
        assert!(output.stderr.contains("  at its target  ") && output.stderr.contains(goes), "{output:?}");
        let output = fixture.run(&format!("{way} --env=dev --yes --format=json")).await;
        assert_eq!((output.code, report(&output)["outcome"].as_str()), (0, Some("done")), "{output:?}");
        fixture.stands(stand);
        let output = fixture.run(&format!("{way} --env=dev --yes --run=1")).await;
        assert_eq!(output.code, 0, "{output:?}");
        let stands = if way == "resume" { "done" } else { "restored" };
        let (said, hint) = match way {
            "resume" => ("needs no resume: ", ""),
            _ => ("left nothing changed, for ", "; to undo another, give --run"),
        };
        assert_eq!(output.stdout, format!("run RUN {said}it ended as {stands}{hint}: nothing to do\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_interrupt_leaves_at_once_and_says_how_each_service_stands() {
    let fixture = DrillFixture::open(&["hang=9", "latency=300"]).await;
    fixture.look().await;
    let child = fixture.command(RUN).spawn().expect("a start");
    until("the deployment", || fixture.drill.marathon().applications().deployments() > 0).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    send(&child, "-INT").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    send(&child, "-INT").await;
    let output = fixture.end(child).await;
    assert_eq!(output.code, 130, "{output:?}");
    assert!(output.stderr.contains("left at once, while changes were under way"), "{output:?}");
    for service in ["billing", "orders", "users", "web"] {
        assert!(output.stderr.contains(&format!("  {service}: ")), "{output:?}");
    }
    assert!(output.stderr.contains("`rollback_service resume --run=RUN --env=dev`"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn to_undo_twice_undoes_once() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    assert_eq!(fixture.run(RUN).await.code, 0);
    fixture.stands(ShopState::Good);
    let undo = "undo --env=dev --yes";
    assert_eq!(fixture.run(undo).await.code, 0);
    fixture.stands(ShopState::Broken);
    let output = fixture.run(undo).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("was an undo already, as before run"), "{output:?}");
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_before_anything_is_written_changes_nothing() {
    let fixture = DrillFixture::open(&["latency=500"]).await;
    let child = fixture.command(LOOK).spawn().expect("a start");
    until("the first request", || !fixture.drill.log.all().is_empty()).await;
    send(&child, "-INT").await;
    let output = fixture.end(child).await;
    assert_eq!((output.code, output.stdout.as_str()), (130, ""), "{output:?}");
    assert!(output.stderr.ends_with("rollback_service error: interrupted: nothing was changed\n"), "{output:?}");
    assert!(!fixture.dump().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn dc_os_is_logged_into_and_a_wrong_password_is_named_without_being_shown() {
    let login = || Some(("ops".to_owned(), "dcos-password".to_owned()));
    let fixture = DrillFixture::furnished(&[], |settings| settings.login = login()).await;
    fixture.look().await;
    let words = format!("{RUN} --user=ops");
    let wrong = fixture.command(&words).env("FIREBREAK_PWD", "wrong-guess").spawn().expect("a start");
    let output = fixture.end(wrong).await;
    assert_eq!(output.code, 1);
    assert!(!output.stderr.contains("wrong-guess"), "{output:?}");
    fixture.stands(ShopState::Broken);
    let output = fixture.run(&words).await;
    assert_eq!(output.code, 0, "{output:?}");
    fixture.stands(ShopState::Good);
}

/// A kill -9 after each so many requests: a dump that was there stays whole, nothing half-written takes its place, and
/// the next look works with whatever the cache holds.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_get_leaves_a_whole_dump_or_none() {
    let fixture = DrillFixture::open(&["latency=3"]).await;
    let mut outcomes = std::collections::BTreeMap::new();
    for point in (0..120).step_by(8) {
        fixture.drill.log.clear();
        let mut child = fixture.command(LOOK).spawn().expect("a start");
        while fixture.drill.log.all().len() < point && child.try_wait().expect("its state").is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.kill().await.expect("to kill it");
        let left = match firebreak::rollback::dump::Dump::read(fixture.folder.path()) {
            Ok(_) => "whole",
            Err(firebreak::rollback::dump::DumpError::Missing(_)) => "none",
            Err(error) => panic!("killed after {point} requests: {error}"),
        };
        *outcomes.entry(left).or_insert(0) += 1;
    }
    fixture.look().await;
    println!("killed after 0, 8, … 112 requests, the dump was: {outcomes:?}");
    let output = fixture.run(&format!("{RUN} --check")).await;
    assert_eq!(output.code, 0, "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_cannot_be_is_a_wrong_command_line() {
    let fixture = DrillFixture::open(&[]).await;
    fixture.look().await;
    let known = "known are marathon+http://HOST:PORT, marathon+https://HOST/service/marathon, kubernetes://CONTEXT/NAMESPACE, \
                 podman+unix:///run/podman/podman.sock and docker+unix:///var/run/docker.sock";
    for (options, why) in [
        ("--platform=http://ann:pw@host:8080", format!("'http://host:8080' names no platform: {known}")),
        ("--platform=podman+tcp://host:1", format!("'podman+tcp://host:1' names no platform: {known}")),
        ("--platform=marathon+http://", "'marathon+http://' is not a URL: empty host".to_owned()),
        (
            "--platform=kubernetes://a/b?c=d",
            "'kubernetes://a/b?c=d' asks for '?c=d': known is ?kubeconfig=/path/to/file".to_owned(),
        ),
        (
            "--platform=kubernetes://drill/Not_One",
            "'Not_One' cannot be a namespace: name it in the URL, kubernetes://CONTEXT/NAMESPACE".to_owned(),
        ),
        ("--user=ann", "the login of DC/OS has a user and no password: give --pwd as well".to_owned()),
    ] {
        for command in [RUN, "undo --env=dev --yes", "resume --env=dev --yes"] {
            let output = fixture.run(&format!("{command} {options} --format=json")).await;
            let report = report(&output);
            let found = (output.code, report["outcome"].as_str(), report["message"].as_str());
            assert_eq!(found, (2, Some("usage"), Some(&*why)), "{command} {options}: {output:?}");
        }
    }
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_name_in_the_environment_has_one_by_the_system() {
    let fixture = DrillFixture::open(&["hang"]).await;
    fixture.look().await;
    let mut first = fixture.command(RUN).env_remove("USER").spawn().expect("a start");
    until("the deployment", || fixture.drill.marathon().applications().deployments() > 0).await;
    let output = fixture.run(&format!("{RUN} --timeout=2 --format=json")).await;
    first.kill().await.expect("to kill it");
    let name = std::process::Command::new("id").arg("-un").output().expect("id");
    let name = String::from_utf8(name.stdout).expect("a name");
    let message = report(&output)["message"].as_str().expect("a message").to_owned();
    assert!(message.contains(&format!("locked by run RUN by {} on HOST", name.trim())), "{message}");
}
