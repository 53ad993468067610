//! What ran, rather than what was built: `get` shows it, `run --by=ran` goes back to it. Against a drill in this process.

use chrono::{DateTime, Days, TimeDelta, Utc};
use firebreak::drill::registry::{Description, Format};
use firebreak::drill::story::{SECRET, ShopState, application_id};
use firebreak::http::{self, Trust};
use firebreak::rollback::dump::Dump;
use serde_json::{Value, json};

use crate::support::program::{DrillFixture, Output};

const LOOK: &str = "get --repo=billing,orders,users,web --env=develop --running=dev";

fn report(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("one JSON document: {error}: {output:?}"))
}

/// The day before the one to go back to: `users` 1.2.0 was built on it and never deployed.
fn day_before(fixture: &DrillFixture) -> String {
    let day: chrono::NaiveDate = fixture.day().parse().expect("a day");
    (day - Days::new(1)).to_string()
}

async fn look(fixture: &DrillFixture) -> Output {
    let output = fixture.run(LOOK).await;
    assert!(output.code == 0 && !output.stderr.contains("is not known"), "{output:?}");
    output
}

/// Writes to the drill's Marathon as somebody else, and gives the version that came of it.
async fn put(fixture: &DrillFixture, service: &str, body: &Value) -> DateTime<Utc> {
    let url =
        format!("http://{}/v2/apps{}?force=true", fixture.drill.marathon().address(), application_id("dev", service));
    let answer =
        http::client(&Trust::default()).expect("a client").put(url).json(body).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
    let answer: Value = answer.json().await.expect("JSON");
    answer["version"].as_str().and_then(|version| version.parse().ok()).expect("a version")
}

async fn quiet(fixture: &DrillFixture) {
    for _ in 0..3000 {
        if fixture.drill.marathon().applications().deployments() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the deployments did not end within 30 seconds");
}

/// Removes an application and makes it again as it was: Marathon forgets what it ran before.
async fn make_again(fixture: &DrillFixture, service: &str) {
    let id = application_id("dev", service);
    let mut app = fixture.drill.marathon().applications().app(&id).expect("an application");
    let state = [
        "id",
        "version",
        "versionInfo",
        "tasksStaged",
        "tasksRunning",
        "tasksHealthy",
        "tasksUnhealthy",
        "deployments",
    ];
    for name in state {
        app.as_object_mut().expect("an object").remove(name);
    }
    let url = format!("http://{}/v2/apps{id}", fixture.drill.marathon().address());
    http::client(&Trust::default()).expect("a client").delete(url).send().await.expect("an answer");
    quiet(fixture).await;
    put(fixture, service, &app).await;
    quiet(fixture).await;
}

/// The images that the services of `dev` are set to, without the registry.
fn tags(fixture: &DrillFixture) -> Vec<String> {
    let proof = fixture.drill.proof("dev", ShopState::Good).expect("an environment");
    proof.services.into_iter().map(|service| service.found).collect()
}

fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn get_marks_where_built_and_ran_disagree_and_tells_what_ran() {
    let fixture = DrillFixture::open(&[]).await;
    let output = look(&fixture).await;
    let row = |day: &str| cells(output.stdout.lines().find(|line| line.starts_with(day)).expect("a day"));
    assert_eq!(row("DAY"), ["DAY", "1.2.0-develop", "↑ 1.1.0-develop", "1.3.1-develop", "2.2.0-develop"]);
    let before = day_before(&fixture);
    let users = "1.2.0-develop ≠ ran 1.1.0-develop";
    assert_eq!(row(&before), [before.as_str(), "↑ 1.1.0-develop", "1.1.0-develop", users, "2.1.0-develop"]);
    let legend = "≠ ran at the end of that day another image ran: `run --by=ran` goes back to that one\n";
    assert!(output.stdout.contains(legend), "{output:?}");
    assert!(!output.stdout.contains("ran ?"), "all is known: {output:?}");

    let told: Vec<Vec<&str>> =
        output.stdout.lines().skip_while(|line| !line.starts_with("service")).map(cells).collect();
    assert_eq!(told[0], ["service", "ran", "from (UTC)", "until", "as known by"]);
    let of_users: Vec<_> = told.iter().filter(|row| row.len() == 5 && row[0] == "users").collect();
    let images: Vec<_> = of_users.iter().map(|row| row[1]).collect();
    assert_eq!(images, ["1.4.0-develop", "1.3.1-develop", "1.3.0-develop", "1.1.0-develop", "1.0.0-develop"]);
    assert_eq!(of_users[0][3], "now");
    for pair in of_users.windows(2) {
        assert_eq!(pair[1][3], pair[0][2], "one ends where the next begins");
    }
    assert!(of_users[1][4].starts_with("set by Marathon's version DAYT"), "{of_users:?}");
    fixture.stands(ShopState::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_and_the_dump_have_what_ran() {
    let fixture = DrillFixture::open(&[]).await;
    let output = fixture.run(&format!("{LOOK} --format=json --keep=3")).await;
    let report = report(&output);
    let day = report["dates"].as_array().expect("dates").iter().find(|date| date["date"] == day_before(&fixture));
    let day = day.expect("the day before");
    assert_eq!(day["services"]["users"]["tag"], "1.2.0-develop");
    assert_eq!(day["ran"]["users"], json!({"image": "REGISTRY/users:1.1.0-develop", "as_built": false}));
    assert_eq!(day["ran"]["web"], json!({"image": "REGISTRY/web:2.1.0-develop", "as_built": true}));
    assert_eq!((&report["running"], report["ran"]["users"].as_array().map(Vec::len)), (&json!("dev"), Some(5)));
    let users = output.stdout.lines().filter(|line| line.contains("REGISTRY/users")).count();
    assert!(users > 0, "{output:?}");
    let dump = Dump::read(fixture.folder.path()).expect("a dump");
    assert_eq!(dump.ran.keys().collect::<Vec<_>>(), ["billing", "orders", "users", "web"]);
    assert_eq!(dump.ran["users"].len(), 5);
    assert!(!format!("{output:?}").contains(SECRET));
    assert!(!std::fs::read_to_string(fixture.dump()).expect("the dump").contains(SECRET));

    // A dump of somebody who did not ask has nothing of it, as it always was.
    let without =
        fixture.command("get --repo=users --env=develop --format=json").env_remove("FIREBREAK_PLATFORM").spawn();
    let output = fixture.end(without.expect("a start")).await;
    assert_eq!((output.code, report_has(&output, "ran")), (0, false), "{output:?}");
    assert!(!std::fs::read_to_string(fixture.dump()).expect("the dump").contains("\"ran\""));
}

fn report_has(output: &Output, name: &str) -> bool {
    report(output).get(name).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_what_ran_cannot_be_read_the_dates_are_offered_all_the_same() {
    let fixture = DrillFixture::open(&[]).await;
    for (words, why) in [
        (
            "",
            "no application of 'develop' runs on http://MARATHON: 'develop' (--env, or --running of `get`) was compared",
        ),
        ("--running=dev --platform=marathon+http://127.0.0.1:1", "failed to list the applications of 'dev'"),
        ("--platform=nonsense", "'nonsense' names no platform"),
    ] {
        let output = fixture.run(&format!("get --repo=users --env=develop --format=json {words}")).await;
        let report = report(&output);
        assert_eq!((output.code, &report["ran"]), (0, &Value::Null), "{output:?}");
        let warnings = report["warnings"].to_string();
        assert!(warnings.contains(&format!("what ran is not known: {why}")), "{warnings}");
        assert!(report["dates"][0].get("ran").is_none(), "{report}");
    }
    let nobodys = Description::new("other", "1.0.0-develop", Format::Oci).created("2024-01-01T00:00:00Z");
    fixture.drill.registry.images().put(&nobodys);
    let output = fixture.run("get --repo=users,other --env=develop --running=dev").await;
    assert_eq!(output.code, 0, "{output:?}");
    let line = "what 'other' ran is not known: no workload of the environment that could be set runs 'other'";
    assert!(output.stderr.contains(line), "{output:?}");
    assert!(output.stdout.contains("1.0.0-develop, ran ?"), "{output:?}");
    assert!(output.stdout.contains("ran ? what ran at the end of that day is not known, or not sure\n"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_goes_back_to_what_ran_where_another_image_was_built() {
    let fixture = DrillFixture::open(&[]).await;
    look(&fixture).await;
    let before = day_before(&fixture);
    let built = fixture.run(&format!("run --date={before} --env=dev --check --format=json")).await;
    let built = report(&built);
    assert_eq!((&built["by"], &built["steps"][3]["tag"]), (&json!("built"), &json!("1.2.0-develop")));
    let note = "'REGISTRY/users:1.1.0-develop' ran then, not this one: --by=ran goes back to it";
    assert!(built["steps"][3]["note"].as_str().expect("a note").contains(note), "{built}");

    let ran = fixture.run(&format!("run --date={before} --by=ran --env=dev --yes --format=json")).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = report(&ran);
    assert_eq!((&ran["outcome"], &ran["by"]), (&json!("done"), &json!("ran")));
    assert_eq!(ran["steps"][3]["after"], "REGISTRY/users:1.1.0-develop");
    assert_eq!(ran["steps"][3]["note"], "by what was built it would be 1.2.0-develop");
    assert_eq!(ran["message"], "5 workloads of 4 services rolled back and verified");
    let expected = [
        "billing:1.1.0-develop",
        "orders:1.1.0-develop",
        "users:1.1.0-develop",
        "web:2.1.0-develop",
        "billing:1.1.0-develop",
    ];
    assert_eq!(tags(&fixture), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_good_day_what_ran_is_what_was_built_and_the_memory_is_read_anew() {
    let fixture = DrillFixture::open(&[]).await;
    // A dump without any memory: `run` reads it by itself.
    fixture.look().await;
    assert_eq!(Dump::read(fixture.folder.path()).expect("a dump").ran.len(), 0);
    let output = fixture.run("run --date=DAY --by=ran --env=dev --yes").await;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("back to DAY, with images of 'develop', by what ran then"), "{output:?}");
    fixture.stands(ShopState::Good);
    let again = fixture.run("run --date=DAY --by=ran --env=dev --yes --format=json").await;
    assert_eq!(report(&again)["outcome"], "nothing_to_do", "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_refused_by_name_or_left_out() {
    let fixture = DrillFixture::open(&[]).await;
    look(&fixture).await;
    let output = fixture.run("run --date=2001-01-01 --by=ran --env=dev --yes").await;
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    for service in ["billing', '/shop/dev/shop/billing-worker", "orders", "users", "web"] {
        let line = format!("what '/shop/dev/shop/{service}' ran then is not known (it is since ");
        assert!(output.stderr.contains(&line), "{output:?}");
    }

    make_again(&fixture, "orders").await;
    let output = fixture.run("run --date=DAY --by=ran --env=dev --yes").await;
    assert_eq!(output.code, 1, "{output:?}");
    let reasons: Vec<_> = output.stderr.lines().filter(|line| line.starts_with("  - ")).collect();
    assert_eq!(reasons.len(), 1, "{output:?}");
    assert!(reasons[0].starts_with("  - what '/shop/dev/shop/orders' ran then is not known"), "{reasons:?}");
    let output = fixture.run("run --date=DAY --by=ran --env=dev --yes --allow-partial --format=json").await;
    let done = report(&output);
    assert_eq!((output.code, &done["left_out"]), (0, &json!(["orders"])), "{output:?}");
    let expected = [
        "billing:1.2.0-develop",
        "orders:1.2.0-develop",
        "users:1.3.1-develop",
        "web:2.2.0-develop",
        "billing:1.2.0-develop",
    ];
    assert_eq!(tags(&fixture), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sure_is_refused_by_name_also_in_part() {
    let fixture = DrillFixture::open(&[]).await;
    look(&fixture).await;
    let image = |tag: &str| {
        let app = fixture.drill.marathon().applications().app(&application_id("dev", "orders")).expect("orders");
        let mut container = app["container"].clone();
        container["docker"]["image"] = format!("{}/orders:{tag}", fixture.drill.registry.address()).into();
        json!({ "container": container })
    };
    // Replaced at once: whether it ever came up nobody knows.
    let (tried, back) = (image("1.1.0-develop"), image("1.2.0-develop"));
    let at = put(&fixture, "orders", &tried).await;
    put(&fixture, "orders", &back).await;
    quiet(&fixture).await;
    let images = fixture.drill.registry.images();
    let date = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    for options in ["", "--allow-partial"] {
        let output = fixture.run(&format!("run --date={date} --by=ran --env=dev --yes {options}")).await;
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output:?}");
        let reason = "what '/shop/dev/shop/orders' ran then is not sure: perhaps 'REGISTRY/orders:1.1.0-develop': it was \
             replaced within 10 minutes: its deployment may have failed, or been reverted";
        assert!(output.stderr.contains(reason), "{output:?}");
    }
    // A tag that names another image now than the one that ran.
    let younger = images.digest("web", "2.3.0-develop").expect("an image");
    images.tag("web", "2.2.0-develop", &younger);
    look(&fixture).await;
    let output = fixture.run("run --date=DAY --by=ran --env=dev --yes").await;
    assert_eq!(output.code, 1, "{output:?}");
    let reason = "what '/shop/dev/shop/web' ran then is not sure: the tag '2.2.0-develop' was moved since";
    assert!(output.stderr.contains(reason), "{output:?}");
    // And one that is gone.
    images.untag("web", "2.2.0-develop");
    look(&fixture).await;
    let output = fixture.run("run --date=DAY --by=ran --env=dev --yes").await;
    let reason = "'/shop/dev/shop/web' ran 'REGISTRY/web:2.2.0-develop' then, and the registry has it no longer";
    assert!(output.code == 1 && output.stderr.contains(reason), "{output:?}");
    let tags = tags(&fixture);
    let broken = ["billing:1.3.0-develop", "orders:1.2.0-develop", "users:1.4.0-develop", "web:2.3.0-develop"];
    assert_eq!(tags, [&broken[..], &broken[..1]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_get_does_not_know_is_asked_for() {
    let fixture = DrillFixture::open(&[]).await;
    look(&fixture).await;
    let images = fixture.drill.registry.images();
    let digest = images.digest("users", "1.1.0-develop").expect("an image");
    images.tag("users", "hotfix", &digest);
    let app = fixture.drill.marathon().applications().app(&application_id("dev", "users")).expect("users");
    let mut container = app["container"].clone();
    container["docker"]["image"] = format!("{}/users:hotfix", fixture.drill.registry.address()).into();
    let at = put(&fixture, "users", &json!({ "container": container })).await;
    quiet(&fixture).await;
    let date = (at + TimeDelta::milliseconds(1)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let output = fixture.run(&format!("run --date={date} --by=ran --env=dev --check --format=json")).await;
    let planned = report(&output);
    let step = &planned["steps"][3];
    assert_eq!((output.code, &step["digest"], &step["unchanged"]), (0, &json!(digest), &json!(true)), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_forgot_the_journal_tells() {
    let fixture = DrillFixture::open(&[]).await;
    look(&fixture).await;
    let before = Utc::now();
    assert_eq!(fixture.run("run --date=DAY --env=dev --yes").await.code, 0);
    make_again(&fixture, "orders").await;
    let output = fixture.run(&format!("{LOOK} --format=json")).await;
    let report = report(&output);
    let spans: Vec<firebreak::platform::Ran> = serde_json::from_value(report["ran"]["orders"].clone()).expect("spans");
    let images: Vec<_> = spans.iter().filter_map(|ran| ran.image.as_str().rsplit(':').next()).collect();
    assert_eq!(images, ["1.1.0-develop", "1.1.0-develop", "1.2.0-develop"], "{output:?}");
    assert!(spans[0].source.starts_with("set by Marathon's version "), "{spans:?}");
    assert_eq!((&*spans[1].source, &*spans[2].source), ("run RUN set it", "run RUN found it"));
    assert_eq!((spans[1].until, spans[2].until), (spans[0].from, spans[1].from));
    assert!(spans[1].from.is_some_and(|from| from > before) && spans[1].doubt.is_none(), "{spans:?}");
    assert_eq!(spans[2].doubt.as_deref(), Some("since when is not known"));
    // What Marathon knows itself is not told twice.
    assert_eq!(report["ran"]["web"].as_array().map(Vec::len), Some(5), "{output:?}");
}
