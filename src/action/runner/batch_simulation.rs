//! Batches in simulation: processes that die at any item, interrupts, items that fail, by thousands of schedules. Every effect
//! happens once, and every item is accounted for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::DateTime;
use proptest::prelude::*;
use tokio::sync::Notify;

use super::batch::*;
use super::vocabulary::PLAIN;
use crate::action::consent::Consent;
use crate::action::context::Context;
use crate::action::interrupt::Interrupt;
use crate::action::operator::testing::Nobody;
use crate::action::report::{Finding, Outcome, Who};
use crate::action::run_journal::RunJournal;
use crate::action::standard::Standard;
use crate::journal::record::{Began, Record};
use crate::journal::{Folder, Run};
use crate::port::NoRemoteLock;
use crate::watch::Unwatched;

/// The other side: how often each item had its effect. It outlives every process, and knows keys.
type Effects = Arc<Mutex<BTreeMap<u64, u64>>>;

/// What becomes of item `n` is `fates[n]`; the process dies, or somebody interrupts, at the item of that number.
struct Simulated {
    items: Mutex<VecDeque<u64>>,
    fates: Vec<u8>,
    ledger: Effects,
    dies: Option<(u64, Arc<Notify>)>,
    interrupted: Option<(u64, Interrupt)>,
}

#[async_trait]
impl Batch for Simulated {
    type Item = u64;

    async fn next(&self) -> anyhow::Result<Option<u64>> {
        Ok(self.items.lock().expect("the items").pop_front())
    }

    fn name(&self, item: &u64) -> String {
        item.to_string()
    }

    async fn act(&self, item: &u64) -> ItemEnd {
        if let Some((_, interrupt)) = self.interrupted.as_ref().filter(|(at, _)| at == item) {
            let _ = interrupt.arrive();
        }
        // The items end in another order than they began.
        for _ in 0..item % 7 {
            tokio::task::yield_now().await;
        }
        if let Some((_, death)) = self.dies.as_ref().filter(|(at, _)| at == item) {
            // After the effect, before anybody knows: the worst moment.
            self.ledger.lock().expect("the ledger").entry(*item).or_insert(1);
            death.notify_one();
            std::future::pending::<()>().await;
        }
        match self.fates[usize::try_from(*item).expect("small")] {
            0 => ItemEnd::Left("not yet".to_owned()),
            1 => ItemEnd::Failed("no power".to_owned()),
            2 => ItemEnd::SetAside("malformed".to_owned()),
            _ => {
                self.ledger.lock().expect("the ledger").entry(*item).or_insert(1);
                ItemEnd::Done
            }
        }
    }
}

fn context(folder: &std::path::Path, interrupt: Interrupt) -> Context {
    Context {
        started: DateTime::UNIX_EPOCH,
        who: Who::default(),
        cache_folder: None,
        kubeconfigs: None,
        journal: Arc::new(RunJournal::new(Some(folder.to_owned()), Began::default(), Consent::Given)),
        operator: Arc::new(Nobody),
        watch: Arc::new(Unwatched),
        interrupt,
    }
}

/// One process. None: it died.
async fn process(folder: &std::path::Path, simulated: Simulated, interrupt: Interrupt) -> Option<(Finding, Run)> {
    let context = context(folder, interrupt);
    let death = simulated.dies.as_ref().map(|(_, death)| Arc::clone(death));
    let plan = BatchPlan { total: None, ..BatchPlan::listed(PLAIN, &[], []) };
    let (standard, place) = (Standard::agreed(), NoRemoteLock("there".to_owned()));
    let run = carry_out(&standard, &place, PLAIN, (simulated, 4), plan, &context);
    let mut finding = tokio::select! {
        finding = run => finding.expect("a finding"),
        () = async { if let Some(death) = death { death.notified().await } else { std::future::pending().await } } => return None,
    };
    context.journal.end(&mut finding);
    let (runs, unreadable) = Folder::new(folder).runs().expect("the runs");
    assert!(unreadable.is_empty());
    Some((finding, runs.into_iter().next().expect("this run")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever becomes of the items, whenever the process dies or is interrupted: run again until nothing is left
    /// to do, each effect happened once, and each item that needs somebody is named.
    #[test]
    fn every_effect_happens_once_and_every_item_is_accounted_for(
        fates in proptest::collection::vec(0_u8..9, 1..60),
        deaths in proptest::collection::vec(0_u64..80, 0..3),
        interrupts in 0_u64..120,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        let ledger = Effects::default();
        let count = fates.len() as u64;
        let simulated = |dies: Option<u64>, interrupted: Option<(u64, Interrupt)>| Simulated {
            // What had its effect is known by its key, and not offered again.
            items: Mutex::new((0..count).filter(|item| !ledger.lock().expect("the ledger").contains_key(item)).collect()),
            fates: fates.clone(),
            ledger: Arc::clone(&ledger),
            dies: dies.map(|at| (at, Arc::new(Notify::new()))),
            interrupted,
        };
        runtime.block_on(async {
            for at in &deaths {
                let _ = process(folder.path(), simulated(Some(*at), None), Interrupt::default()).await;
            }
            let interrupt = Interrupt::default();
            let first = simulated(None, Some((interrupts, interrupt.clone())));
            let offered = u64::try_from(first.items.lock().expect("the items").len()).expect("small");
            let (finding, run) = process(folder.path(), first, interrupt).await.expect("it did not die");
            let counts = run.counts.expect("counts");
            assert!(counts.all() <= offered, "{finding:?}");
            if counts.all() < offered {
                assert!(matches!(finding.outcome, Outcome::Interrupted | Outcome::NeedsOperator), "{finding:?}");
            }
            let last = simulated(None, None);
            let offered = u64::try_from(last.items.lock().expect("the items").len()).expect("small");
            let (finding, run) = process(folder.path(), last, Interrupt::default()).await.expect("it did not die");
            let counts = run.counts.expect("counts");
            assert_eq!(counts.all(), offered);
            let needs = |state| fates.iter().zip(0..).filter(|(fate, at)| **fate == state && !ledger.lock().expect("the ledger").contains_key(at)).count() as u64;
            assert_eq!((counts.left, counts.failed, counts.set_aside), (needs(0), needs(1), needs(2)));
            let named = run.records.iter().filter(|record| matches!(record, Record::Item { .. })).count() as u64;
            assert_eq!(named, counts.need_somebody(), "each that needs somebody is in the journal");
            let expected = if counts.need_somebody() > 0 { Outcome::NeedsOperator } else { Outcome::Done };
            assert_eq!(finding.outcome, expected);
        });
        let ledger = ledger.lock().expect("the ledger");
        assert!(ledger.values().all(|times| *times == 1));
        assert!(fates.iter().zip(0..).all(|(fate, item)| *fate < 3 || ledger.contains_key(&item)), "none is lost");
    }
}
