//! A process that dies between any two writes, and the next one that learns from what it had written down.

use std::process::Command;
use std::sync::{Arc, Mutex};

use anyhow::ensure;
use firebreak::http::{self, Trust};
use firebreak::journal::{Answer, Call, Ledger, Unrecorded};
use firebreak::platform::{Access, Change, Platform, Standing, connect};
use firebreak::watch::Unwatched;
use serde_json::{Value, json};

use super::{WELL, two_services};
use crate::support::contract::{BEFORE, LIMIT, access, changes};
use crate::support::part::Part;
use crate::support::podman::{Podman, Temper};

/// When a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// The intent of this write, from 1, is written down, and it is not sent.
    Before(usize),
    /// This write is carried out, and its answer not written down.
    After(usize),
    /// Not at all.
    Never,
}

/// The ledger of a process that dies: nothing is written down from then on, and so nothing is sent.
struct Mortal {
    death: Death,
    calls: Mutex<Vec<Call>>,
}

impl Mortal {
    fn new(death: Death) -> Arc<Self> {
        Arc::new(Self { death, calls: Mutex::default() })
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("the calls").clone()
    }

    /// What was written down, in words.
    fn told(&self) -> Vec<String> {
        let word = |call: &Call| {
            let [name, to] = ["name", "to"].map(|key| call.about[key].as_str().unwrap_or_default().to_owned());
            let image = call.about["image"].as_str().map(|image| image.rsplit('/').next().unwrap_or(image));
            let (name, to) = (short(&name), short(&to));
            let words = [&call.call, name, to, image.unwrap_or_default()];
            words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        self.calls().iter().map(word).collect()
    }
}

/// A name without the id at its end.
fn short(name: &str) -> &str {
    name.find("-old-").map_or(name, |at| &name[..at + "-old".len()])
}

impl Ledger for Mortal {
    fn run(&self) -> &'static str {
        "7-abcdef"
    }

    fn intent(&self, call: &str, about: Value) -> anyhow::Result<u64> {
        let mut calls = self.calls.lock().expect("the calls");
        let dead = match self.death {
            Death::Before(at) | Death::After(at) => calls.len() >= at,
            Death::Never => false,
        };
        ensure!(!dead, "it is dead");
        calls.push(Call { call: call.to_owned(), about, answer: None });
        ensure!(Death::Before(calls.len()) != self.death, "it dies");
        Ok(calls.len() as u64)
    }

    fn answer(&self, call: u64, answer: Answer) {
        let number = usize::try_from(call).expect("a number");
        if Death::After(number) != self.death {
            self.calls.lock().expect("the calls")[number - 1].answer = Some(answer);
        }
    }
}

/// A process that writes down what it does.
async fn process(podman: &Podman, ledger: Arc<dyn Ledger>) -> Box<dyn Platform> {
    let http = http::client(&Trust::default()).expect("a client");
    let access = Access { ledger, ..access(http, None, None) };
    connect(&podman.url().into(), "dev", access).await.expect("a connection")
}

/// The process that comes after one that died.
async fn heir(podman: &Podman, dead: &Mortal) -> Box<dyn Platform> {
    let platform = process(podman, Arc::new(Unrecorded::default())).await;
    platform.recall(&dead.calls());
    platform
}

/// A process that dies while it deploys; whether it lived to the end.
async fn deploys(podman: &Podman, planned: &[Change], ledger: &Arc<Mortal>) -> bool {
    process(podman, Arc::<Mortal>::clone(ledger)).await.deploy(planned, LIMIT, &Unwatched).await.is_ok()
}

async fn look(platform: &dyn Platform, planned: &[Change]) -> Vec<Standing> {
    platform.look(planned).await.expect("a look")
}

/// The writes of a deployment of `billing` with two containers, and `web` with one.
fn writes() -> Vec<String> {
    let mut writes = vec!["pull billing:1-dev".to_owned(), "pull web:1-dev".to_owned()];
    let names = ["dev-billing-1", "dev-billing-2", "dev-web"];
    let image = |name: &str| if name == "dev-web" { "web:1-dev" } else { "billing:1-dev" };
    writes.extend(names.map(|name| format!("create {name}-firebreak-new {}", image(name))));
    for name in names {
        writes.push(format!("rename {name} {name}-firebreak-old"));
        writes.push(format!("stop {name}-firebreak-old"));
        writes.push(format!("rename {name}-firebreak-new {name}"));
        writes.push(format!("start {name}"));
    }
    writes
}

#[tokio::test(flavor = "multi_thread")]
async fn before_any_write_the_next_process_takes_it_back_or_does_it() {
    every_death(Death::Before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_write_the_next_process_takes_it_back_or_does_it() {
    every_death(Death::After).await;
}

async fn every_death(death: impl Fn(usize) -> Death) {
    let podman = Podman::start();
    let image = |name: &str, tag: &str| podman.image(name, tag, Temper::Well);
    let (old, new) =
        ([image("billing", "2-dev"), image("web", "2-dev")], [image("billing", "1-dev"), image("web", "1-dev")]);
    two_services(&podman, &old[0], &old[1]);
    let plan = async |to: &[String; 2]| {
        let any = process(&podman, Arc::new(Unrecorded::default())).await;
        changes(&*any, "dev", &[("billing", &to[0]), ("web", &to[1])]).await
    };
    let (mut from, mut to) = (&old, &new);
    let mut taken_back = 0;
    let mut done = 0;
    let part = Part::new();
    let all: Vec<usize> = (1..=writes().len()).collect();
    let numbers = part.of(all, |number| writes()[number - 1].split(' ').next().map(str::to_owned));
    println!("a death on an engine, {:?}: writes {numbers:?} of {}, {part}", death(1), writes().len());
    for number in numbers {
        let point = death(number);
        // Taken back.
        let before = podman.containers();
        let planned = plan(to).await;
        let ledger = Mortal::new(point);
        assert!(!deploys(&podman, &planned, &ledger).await || point == Death::After(writes().len()), "{point:?}");
        if to == &new {
            assert_eq!(ledger.told(), writes()[..number], "{point:?}");
        }
        let platform = heir(&podman, &ledger).await;
        platform.go_back(&planned, LIMIT, &Unwatched).await.unwrap_or_else(|error| panic!("{point:?}: {error:#}"));
        assert_eq!(look(&*platform, &planned).await, [BEFORE, BEFORE], "{point:?}");
        assert_eq!(podman.containers(), before, "{point:?}");
        taken_back += 1;

        // Done, where no old container was touched.
        let first = writes().iter().position(|write| write.starts_with("rename")).expect("a rename");
        if number > first {
            continue;
        }
        let ledger = Mortal::new(point);
        assert!(!deploys(&podman, &planned, &ledger).await, "{point:?}");
        let platform = heir(&podman, &ledger).await;
        platform.deploy(&planned, LIMIT, &Unwatched).await.unwrap_or_else(|error| panic!("{point:?}: {error:#}"));
        assert_eq!(look(&*platform, &planned).await, [Standing::Target, Standing::Target], "{point:?}");
        platform.clean_up(&planned).await.expect("to settle");
        assert_eq!(podman.containers().len(), 3, "{point:?}: {:?}", podman.containers());
        (from, to) = (to, from);
        done += 1;
    }
    if part.is_all() {
        assert_eq!((taken_back, done), (17, 5));
    } else {
        assert!(taken_back >= 5 && done >= 2, "{taken_back}, {done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_was_cut_short_is_gone_to_its_end() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    podman.container("dev-web", &old, &WELL);
    let before = podman.containers();
    let mut told = Vec::new();
    for number in 1..=4 {
        for death in [Death::Before(number), Death::After(number)] {
            let ledger = Mortal::new(Death::Never);
            let planned = changes(&*heir(&podman, &ledger).await, "dev", &[("web", &new)]).await;
            assert!(deploys(&podman, &planned, &ledger).await);
            let dying = Mortal::new(death);
            let platform = process(&podman, Arc::<Mortal>::clone(&dying)).await;
            platform.recall(&ledger.calls());
            let went_back = platform.go_back(&planned, LIMIT, &Unwatched).await;
            assert_eq!(went_back.is_ok(), death == Death::After(4), "{death:?}: {went_back:?}");
            let platform = process(&podman, Arc::new(Unrecorded::default())).await;
            platform.recall(&[ledger.calls(), dying.calls()].concat());
            platform.go_back(&planned, LIMIT, &Unwatched).await.unwrap_or_else(|error| panic!("{death:?}: {error:#}"));
            assert_eq!(look(&*platform, &planned).await, [BEFORE], "{death:?}");
            assert_eq!(podman.containers(), before, "{death:?}");
            told = dying.told();
        }
    }
    let expected = ["stop dev-web", "remove dev-web", "rename dev-web-firebreak-old dev-web", "start dev-web"];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_died_while_it_removed_the_old_ones_stays_at_its_target() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    let (mut from, mut to) = (&old, &new);
    for name in ["dev-web-1", "dev-web-2"] {
        podman.container(name, from, &WELL);
    }
    for death in [Death::Before(1), Death::After(1), Death::Before(2), Death::After(2)] {
        let ledger = Mortal::new(Death::Never);
        let planned = changes(&*heir(&podman, &ledger).await, "dev", &[("web", to)]).await;
        assert!(deploys(&podman, &planned, &ledger).await);
        let dying = Mortal::new(death);
        let _ = process(&podman, Arc::<Mortal>::clone(&dying)).await.clean_up(&planned).await;
        let platform = process(&podman, Arc::new(Unrecorded::default())).await;
        platform.recall(&[ledger.calls(), dying.calls()].concat());
        let error = platform.go_back(&planned, LIMIT, &Unwatched).await.expect_err("it is too late").to_string();
        let expected = "this run was at its target, and its old containers are removed: there is nothing to go back to";
        assert_eq!(error, expected, "{death:?}");
        assert_eq!(look(&*platform, &planned).await, [Standing::Target], "{death:?}");
        platform.clean_up(&planned).await.expect("to settle");
        assert_eq!(podman.containers().len(), 2, "{death:?}");
        (from, to) = (to, from);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_for_a_person_sets_it_back() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    let id = podman.container("dev-web", &old, &WELL);
    let before = podman.containers();
    let aside = format!("dev-web-firebreak-old-{}", &id[..12]);
    let url = podman.url();
    let podman_url = format!("podman --url {}", url.trim_start_matches("podman+"));
    let planned = changes(&*process(&podman, Arc::new(Unrecorded::default())).await, "dev", &[("web", &new)]).await;
    let blank = process(&podman, Arc::new(Unrecorded::default())).await;
    assert_eq!(blank.by_hand(&planned[0]), format!("{podman_url} inspect {}", &id[..12]), "nothing was seen yet");
    let renames = format!("rename {aside} dev-web");
    for (number, expected) in [
        (1, vec![]),
        (2, vec!["rm dev-web-firebreak-new"]),
        (3, vec![&*renames, "start dev-web", "rm dev-web-firebreak-new"]),
        (4, vec![&*renames, "start dev-web", "rm dev-web-firebreak-new"]),
        (5, vec!["stop dev-web", "rm dev-web", &*renames, "start dev-web"]),
        (6, vec!["stop dev-web", "rm dev-web", &*renames, "start dev-web"]),
    ] {
        let ledger = Mortal::new(Death::After(number));
        deploys(&podman, &planned, &ledger).await;
        let platform = heir(&podman, &ledger).await;
        look(&*platform, &planned).await;
        let text = platform.by_hand(&planned[0]);
        let steps: Vec<_> = expected.iter().map(|step| format!("{podman_url} {step}")).collect();
        assert_eq!(text, steps.join(" && "), "after write {number}");
        if !text.is_empty() {
            let typed = Command::new("sh").args(["-c", &text]).output().expect("a shell");
            assert!(typed.status.success(), "after write {number}: {}", String::from_utf8_lossy(&typed.stderr));
        }
        assert_eq!(podman.containers(), before, "after write {number}");
    }
    assert_eq!(look(&*blank, &planned).await, [BEFORE]);

    // What somebody else put into its place is kept.
    let other = podman.image("web", "3-dev", Temper::Well);
    podman.run(&["rename", "dev-web", &aside]);
    podman.container("dev-web", &other, &WELL);
    let is_other = [Standing::Other { value: other }];
    assert_eq!(look(&*blank, &planned).await, is_other);
    let steps = ["stop dev-web", "rename dev-web dev-web-replaced", &renames, "start dev-web"];
    assert_eq!(blank.by_hand(&planned[0]), steps.map(|step| format!("{podman_url} {step}")).join(" && "));
    podman.run(&["rm", "--force", "--time", "0", &aside]);
    assert_eq!(look(&*blank, &planned).await, is_other);
    assert_eq!(blank.by_hand(&planned[0]), format!("# the old container {} is gone", &id[..12]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_down_holds_no_environment() {
    let podman = Podman::start();
    let (old, new) = (podman.image("web", "2-dev", Temper::Well), podman.image("web", "1-dev", Temper::Well));
    podman.container("dev-web", &old, &[&WELL[..], &["--env", "PASSWORD=s3cret"]].concat());
    let ledger = Mortal::new(Death::Never);
    let platform = process(&podman, Arc::<Mortal>::clone(&ledger)).await;
    let planned = changes(&*platform, "dev", &[("web", &new)]).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    let made = podman.inspect("dev-web")["Id"].clone();
    let old_id = planned[0].application.revision.clone();
    let aside = format!("dev-web-firebreak-old-{}", &old_id[..12]);
    let call = |call: &str, about: Value, answer: Value| Call {
        call: call.to_owned(),
        about,
        answer: Some(Answer::Taken(answer)),
    };
    let expected = [
        call("pull", json!({"image": new}), Value::Null),
        call("create", json!({"name": "dev-web-firebreak-new", "image": new}), json!({"id": made})),
        call("rename", json!({"id": old_id, "name": "dev-web", "to": aside}), Value::Null),
        call("stop", json!({"id": old_id, "name": aside}), Value::Null),
        call("rename", json!({"id": made, "name": "dev-web-firebreak-new", "to": "dev-web"}), Value::Null),
        call("start", json!({"id": made, "name": "dev-web"}), Value::Null),
    ];
    assert_eq!(ledger.calls(), expected);
}
