//! Thousands of random schedules against a platform that is only simulated: calls that are refused, lost before or after
//! they are carried out, processes that die at any point, services that never become healthy, somebody else who is at it too,
//! an operator who interrupts. Whatever happens, the promise holds: all at their target, or all as before, or named.
//!
//! A schedule is one number. That of a failure is printed; `SCHEDULE` in this file runs it alone.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::resume::{resume, take_back};
use super::set::{Applied, ApplyContext, Limits, apply};
use super::testing::Thing;
use super::verify::Verdict;
use super::vocabulary::PLAIN;
use crate::action::interrupt::Interrupt;
use crate::journal::record::Began;
use crate::journal::{Answer, Call, Folder, Intention, Journal, Ledger as _, Run, State};
use crate::port::{DeployError, Settable, Standing};
use crate::watch::{Unwatched, Watch};

/// Set it to the number of a schedule that failed.
const SCHEDULE: Option<u64> = None;

/// How many schedules are run: the same each time, so that a failure is one of the change that was made.
const SCHEDULES: u64 = 4000;

/// How many are run at a time: they wait for looks that fail, and each has a journal open.
const AT_ONCE: usize = 400;

/// Numbers that follow from a seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.throw(sides) == 0
    }
}

#[derive(Clone)]
struct Service {
    image: String,
    revision: u64,
    /// It runs the target and never gets well with it.
    sick: bool,
    /// Somebody else set it.
    foreign: bool,
}

/// What outlives every process.
struct World {
    services: Vec<Service>,
    dice: Dice,
    /// No process dies any more, no call is lost, nobody else is at it.
    calm: bool,
    go_backs: usize,
}

struct Simulated {
    world: Arc<Mutex<World>>,
    journal: Journal,
    interrupt: Interrupt,
    death: Arc<Notify>,
    /// What the run wrote to each service.
    own: Mutex<Vec<OwnWrite>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnWrite {
    Nothing,
    /// The answer was lost.
    Unanswered,
    /// It got this revision.
    Taken(u64),
}

const COUNT: usize = 3;

fn name(index: usize) -> String {
    format!("/dev/s{index}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds it")
}

impl Simulated {
    /// A write, conditional on `expected`, as a platform would make it.
    async fn set(&self, call: &str, index: usize, to: &str, expected: impl Fn(&Service) -> bool) -> anyhow::Result<()> {
        let number = self.journal.intent(call, json!({ "index": index }))?;
        let fate = self.fate();
        if fate == 1 {
            self.die().await;
        }
        if call == "set" {
            lock(&self.own)[index] = OwnWrite::Unanswered;
        }
        if fate == 2 {
            self.journal.answer(number, Answer::Lost("cut off before".to_owned()));
            anyhow::bail!("cut off");
        }
        let revision = {
            let mut world = lock(&self.world);
            let sick = call == "set" && world.dice.one_in(8);
            let service = &mut world.services[index];
            if fate == 3 || !expected(service) {
                if call == "set" {
                    lock(&self.own)[index] = OwnWrite::Nothing;
                }
                drop(world);
                self.journal.answer(number, Answer::Refused("409".to_owned()));
                anyhow::bail!("refused");
            }
            service.image = to.to_owned();
            service.revision += 1;
            service.sick = sick;
            service.revision
        };
        match fate {
            4 => self.die().await,
            5 => {
                self.journal.answer(number, Answer::Lost("cut off after".to_owned()));
                anyhow::bail!("cut off");
            }
            _ => {}
        }
        self.journal.answer(number, Answer::Taken(json!({ "revision": revision })));
        if call == "set" {
            lock(&self.own)[index] = OwnWrite::Taken(revision);
        }
        if fate == 6 {
            self.die().await;
        }
        Ok(())
    }

    /// 0: all goes well. 1, 4, 6: the process dies before the call, after it, after its answer. 2, 5: the call is lost
    /// before, or after it was carried out. 3: it is refused.
    fn fate(&self) -> u64 {
        let mut world = lock(&self.world);
        if world.calm {
            return 0;
        }
        if world.dice.one_in(12) {
            let index = usize::try_from(world.dice.throw(COUNT as u64)).expect("small");
            let service = &mut world.services[index];
            service.image = "foreign".to_owned();
            service.revision += 1;
            service.foreign = true;
        }
        if world.dice.one_in(16) {
            let _ = self.interrupt.arrive();
        }
        world.dice.throw(14)
    }

    async fn die(&self) {
        self.death.notify_one();
        std::future::pending::<()>().await;
    }

    fn ours(&self, index: usize, service: &Service, change: &Thing) -> bool {
        match lock(&self.own)[index] {
            OwnWrite::Nothing => false,
            OwnWrite::Taken(revision) => service.revision == revision,
            OwnWrite::Unanswered => service.image == change.after,
        }
    }
}

fn index(change: &Thing) -> usize {
    change.id.trim_start_matches("/dev/s").parse().expect("an id")
}

#[async_trait]
impl Settable for Simulated {
    type Change = Thing;

    fn recall(&self, calls: &[Call]) {
        let mut own = lock(&self.own);
        for call in calls.iter().filter(|call| call.call == "set") {
            let index = usize::try_from(call.about["index"].as_u64().expect("an index")).expect("small");
            match &call.answer {
                Some(Answer::Refused(_)) => {}
                Some(Answer::Taken(value)) => {
                    own[index] = OwnWrite::Taken(value["revision"].as_u64().expect("a revision"));
                }
                Some(Answer::Lost(_)) | None => own[index] = OwnWrite::Unanswered,
            }
        }
    }

    fn wrote(&self, change: &Thing) -> bool {
        lock(&self.own)[index(change)] != OwnWrite::Nothing
    }

    fn by_hand(&self, change: &Thing) -> String {
        format!("set {}", change.id)
    }

    fn look_into(&self, change: &Thing) -> String {
        format!("show {}", change.id)
    }

    async fn deploy(&self, changes: &[Thing], _: Duration, _: &dyn Watch) -> Result<(), DeployError> {
        for change in changes {
            let revision = change.revision;
            let sent = lock(&self.own).iter().any(|own| *own != OwnWrite::Nothing);
            if let Err(error) = self.set("set", index(change), &change.after, |now| now.revision == revision).await {
                let sent = sent || lock(&self.own).iter().any(|own| *own != OwnWrite::Nothing);
                return Err(if sent { DeployError::Sent(error) } else { DeployError::NothingSent(error) });
            }
        }
        Ok(())
    }

    async fn arrive(&self, _: &[Thing], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
        Ok(())
    }

    async fn look(&self, changes: &[Thing]) -> anyhow::Result<Vec<Standing>> {
        let mut world = lock(&self.world);
        anyhow::ensure!(world.calm || !world.dice.one_in(10), "out of sight");
        let standing = |change: &Thing| {
            let now = &world.services[index(change)];
            match now.image.as_str() {
                image if image == change.after && now.sick => {
                    Standing::Unwell { value: image.into(), why: "sick".into() }
                }
                image if image == change.after => Standing::Target,
                image if image == change.before => Standing::Before { trouble: None },
                image => Standing::Other { value: image.into() },
            }
        };
        Ok(changes.iter().map(standing).collect())
    }

    async fn go_back(&self, changes: &[Thing], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
        lock(&self.world).go_backs += 1;
        let mut failures = Vec::new();
        for change in changes {
            let at = index(change);
            let now = lock(&self.world).services[at].clone();
            if !self.ours(at, &now, change) {
                continue;
            }
            let before = &change.before;
            let expected = |service: &Service| service.revision == now.revision;
            failures.extend(self.set("restore", at, before, expected).await.err());
        }
        anyhow::ensure!(failures.is_empty(), "{} writes failed", failures.len());
        Ok(())
    }

    async fn clean_up(&self, _: &[Thing]) -> anyhow::Result<()> {
        Ok(())
    }
}

fn changes() -> Vec<Thing> {
    (0..COUNT).map(|index| Thing::new(&name(index), "before", "target")).collect()
}

/// One process: a run, or one that goes on with it. None: it died.
async fn process(world: &Arc<Mutex<World>>, journal: Journal, way: u64) -> Option<Applied> {
    lock(world).go_backs = 0;
    let (interrupt, death) = (Interrupt::default(), Arc::new(Notify::new()));
    let platform = Simulated {
        world: Arc::clone(world),
        journal: journal.clone(),
        interrupt: interrupt.clone(),
        death: Arc::clone(&death),
        own: Mutex::new(vec![OwnWrite::Nothing; COUNT]),
    };
    let calls = Run::read(journal.path()).expect("a journal").calls;
    platform.recall(&calls);
    let section = interrupt.critical_section();
    let limits = Limits {
        deployment: Duration::from_mins(1),
        silence: Duration::from_secs(1),
        calm: Duration::from_millis(500),
    };
    let context = ApplyContext {
        port: &platform,
        words: PLAIN,
        purpose: "to the target",
        limits,
        section: &section,
        watch: &Unwatched,
        journal: &journal,
    };
    let changes = changes();
    let initial = vec![Standing::Before { trouble: None }; COUNT];
    let act = async {
        match way {
            0 => apply(&changes, context).await,
            1 => resume(&changes, initial, context).await,
            _ => take_back(&changes, initial, context).await,
        }
    };
    let applied = tokio::select! {
        applied = act => Some(applied),
        () = death.notified() => None,
    };
    assert!(lock(world).go_backs <= 1, "a rollback is never rolled back in a loop");
    applied
}

/// Runs a schedule to its end, with as many processes as that takes.
async fn schedule(seed: u64, folder: &Folder) -> (Applied, World) {
    let service = Service { image: "before".to_owned(), revision: 1, sick: false, foreign: false };
    let world = World { services: vec![service; COUNT], dice: Dice(seed), calm: false, go_backs: 0 };
    let world = Arc::new(Mutex::new(world));
    let journal = folder.begin(Began::default()).expect("a journal");
    let run = journal.run().to_owned();
    journal.plan(Intention::of_set("simulated", Value::Null)).expect("a plan");
    journal.enter(State::Locked).expect("a state");
    let mut ended = process(&world, journal, 0).await;
    for process_number in 0.. {
        if let Some(applied) = ended {
            let world = Arc::into_inner(world).expect("no process is left");
            return (applied, world.into_inner().expect("no test panics while it holds it"));
        }
        assert!(folder.run(&run).expect("the run").is_open(), "only a run that is open can have died");
        let way = {
            let mut world = lock(&world);
            world.calm |= process_number == 3;
            1 + world.dice.throw(2)
        };
        ended = process(&world, folder.go_on(&run, Began::default()).expect("a journal"), way).await;
    }
    unreachable!("it ends when all is calm")
}

fn holds(applied: &Applied, world: &World) {
    let services = &world.services;
    let all = |image: &str| services.iter().all(|service| service.image == image);
    match applied.end {
        State::Done => assert!(all("target") && services.iter().all(|service| !service.sick)),
        State::Restored => assert!(all("before")),
        // Somebody else may have been at it: what he did is not ours to answer for.
        State::Unchanged => assert!(services.iter().all(|service| service.image == "before" || service.foreign)),
        State::NeedsOperator => {
            for (service, result) in services.iter().zip(&applied.results) {
                let is_named = result.state != Verdict::Before;
                assert!(is_named || service.image == "before", "a service that is neither was not named");
            }
            assert!(!applied.by_hand.is_empty());
            let is_foreign = services.iter().any(|service| service.foreign);
            assert!(is_foreign || !world.calm, "a run that died was not ended, though nothing stood in its way");
        }
        state => panic!("it ended while {state}"),
    }
    assert!(
        world.services.iter().all(|service| !service.foreign || service.image == "foreign"),
        "somebody's work was lost"
    );
}

#[tokio::test]
async fn whatever_happens_all_is_done_or_restored_or_named() {
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let mut ends = std::collections::BTreeMap::<String, u64>::new();
    let seeds = SCHEDULE.map_or(0..SCHEDULES, |seed| seed..seed + 1);
    let schedules = seeds.map(async |seed| {
        let place = memory.path().join(seed.to_string());
        let ended = schedule(seed, &Folder::new(&place)).await;
        std::fs::remove_dir_all(place).expect("to remove a journal");
        (seed, ended)
    });
    let mut schedules = stream::iter(schedules).buffer_unordered(AT_ONCE);
    while let Some((seed, (applied, world))) = schedules.next().await {
        let found: Vec<_> = world.services.iter().map(|service| (&service.image, service.foreign)).collect();
        let outcome = std::panic::catch_unwind(|| holds(&applied, &world));
        assert!(outcome.is_ok(), "schedule {seed}: {applied:?}, {found:?}");
        *ends.entry(applied.end.to_string()).or_default() += 1;
    }
    assert!(SCHEDULE.is_some() || ends.len() == 4, "each end is reached: {ends:?}");
}
