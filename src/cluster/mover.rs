//! Moves a leadership and moves it back, the same for each [`Kind`]. What a member answers is not believed: a majority is asked
//! who leads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use async_trait::async_trait;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::gap::{Gap, Measurement};
use super::survey::{Led, Member, Survey};
use super::{Facts, Kind, Move};
use crate::journal::write::{Unanswered, Writes};
use crate::journal::{Answer, Call, Ledger};
use crate::poll::Looks;
use crate::port::{DeployError, Settable, Standing};
use crate::watch::{Progress, Watch};

/// What a move is called in the journal.
const CALL: &str = "move the leadership";

/// Between two looks at who leads.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A cluster, and what this run did there.
pub struct Cluster {
    kind: Arc<dyn Kind>,
    writes: Writes,
    wrote: AtomicBool,
    gap: Mutex<Option<Gap>>,
}

impl Cluster {
    /// Where it is, without credentials.
    #[must_use]
    pub fn address(&self) -> &str {
        self.kind.address()
    }

    pub(super) fn new(kind: Arc<dyn Kind>, ledger: Arc<dyn Ledger>) -> Self {
        Self { kind, writes: Writes::new(ledger), wrote: AtomicBool::new(false), gap: Mutex::default() }
    }

    /// What is so in each cluster of this kind.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.kind.facts()
    }

    /// What each member says now.
    ///
    /// # Errors
    /// When no member says anything, or the credentials are refused.
    pub async fn survey(&self) -> anyhow::Result<Survey> {
        self.kind.survey().await
    }

    /// What the last move cost those who use the cluster; none where nothing was moved.
    #[must_use]
    pub fn gap(&self) -> Option<Gap> {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves a leadership, if all still stands as it was planned.
    async fn shift(&self, change: &Move, limit: Duration, watch: &dyn Watch) -> Result<(), DeployError> {
        let (nothing, Facts { patience, settles, .. }) = (DeployError::NothingSent, self.kind.facts());
        let survey = self.kind.survey().await.map_err(nothing)?;
        let (leader, to) = self.still_as_planned(&survey, change).map_err(nothing)?;
        let measurement = self.measure(&survey, change);
        let note = format!("{} hands over to {}", leader.name, to.name);
        watch.at(&change.name, &Progress { done: 0, total: 0, note });
        let answer = self.hand_over(leader, to, change, limit).await;
        let moved = match answer {
            Ok(Answer::Refused(why)) => Err(DeployError::NothingSent(anyhow!("{} refused: {why}", leader.name))),
            Err(Unanswered::NotSent(error)) => Err(DeployError::NothingSent(error)),
            Err(Unanswered::Lost(error)) => Err(DeployError::Sent(error)),
            Ok(Answer::Lost(why)) => self.arrives(change, settles).await.context(why).map_err(DeployError::Sent),
            Ok(Answer::Taken(_)) => self.arrives(change, patience.min(limit)).await.map_err(DeployError::Sent),
        };
        let gap = measurement.end().await;
        *self.gap.lock().unwrap_or_else(PoisonError::into_inner) = gap.filter(|_| self.wrote.load(Ordering::SeqCst));
        if moved.is_ok() {
            self.calms_down(&survey, change, settles.min(limit), watch).await;
        }
        moved
    }

    /// Waits for those that were healthy before: who led may start anew as a follower. The leadership is moved all the same.
    async fn calms_down(&self, before: &Survey, change: &Move, limit: Duration, watch: &dyn Watch) {
        let was_well = |id: &str| before.member(id).is_some_and(|member| member.trouble().is_none());
        let mut looks = Looks::growing(PAUSE, LONGEST_PAUSE, Instant::now() + limit);
        let mut unwell = Vec::new();
        while looks.next().await {
            let Ok(survey) = self.kind.survey().await else { continue };
            let told = |member: &Member| member.trouble().map(|why| format!("{}: {why}", member.name));
            unwell = survey.members.iter().filter(|member| was_well(&member.id)).filter_map(told).collect();
            if unwell.is_empty() {
                return;
            }
            let note = format!("led by {}; waits for {}", change.to.name, unwell.join("; "));
            watch.at(&change.name, &Progress { done: 0, total: 0, note });
        }
        if !unwell.is_empty() {
            watch.warn(&format!(
                "the leadership is moved, and not every member is healthy again: {}",
                unwell.join("; ")
            ));
        }
    }

    fn still_as_planned<'s>(&self, survey: &'s Survey, change: &Move) -> anyhow::Result<(&'s Member, &'s Member)> {
        is_the_same(survey, change)?;
        let dangers = survey.dangers();
        let led = survey.led().map_err(anyhow::Error::msg);
        if let Ok(Led { leader, term }) = &led
            && leader.id != change.from.id
        {
            let (was, now, called) = (&change.from.name, &leader.name, self.kind.facts().term);
            bail!(
                "the leader changed by itself meanwhile: {now} leads in {called} {term}, no longer {was}. The plan is off"
            );
        }
        if !dangers.is_empty() {
            bail!("it is no longer safe to move the leadership: {}", dangers.join("; "));
        }
        let to = survey.member(&change.to.id);
        let to = to.with_context(|| format!("{} is no member any more", change.to.name))?;
        if let Some(why) = survey.unfit(to, change.max_lag, &self.kind.facts()) {
            bail!("{} cannot lead: {why}", to.name);
        }
        Ok((led?.leader, to))
    }

    /// Those who neither lead nor are to lead are asked first: they see the gap that clients see.
    fn measure(&self, survey: &Survey, change: &Move) -> Measurement {
        let mut members: Vec<Member> =
            survey.members.iter().filter(|member| member.votes() && member.trouble().is_none()).cloned().collect();
        members.sort_by_key(|member| match &member.id {
            id if *id == change.from.id => 2,
            id if *id == change.to.id => 1,
            _ => 0,
        });
        let Facts { question, pace, .. } = self.kind.facts();
        let through = members.first().map(|member| member.name.as_str()).unwrap_or_default();
        let measured = format!("{} every {} ms", question.replace("{}", through), pace.as_millis());
        Measurement::begin(Arc::clone(&self.kind), members, measured)
    }

    /// Sends the one write that there is. It is carried to its end, which has a deadline of its own.
    async fn hand_over(
        &self,
        leader: &Member,
        to: &Member,
        change: &Move,
        limit: Duration,
    ) -> Result<Answer, Unanswered> {
        let patience = self.kind.facts().patience.min(limit);
        let about = json!({ "cluster": change.cluster, "from": leader.seat(), "to": to.seat() });
        let (kind, leader, to) = (Arc::clone(&self.kind), leader.clone(), to.clone());
        let wrote = self.wrote.swap(true, Ordering::SeqCst);
        let send = async move {
            let late = |_| Answer::Lost(format!("{} gave no answer within {} s", leader.name, patience.as_secs()));
            timeout(patience, kind.hand_over(&leader, &to)).await.unwrap_or_else(late)
        };
        let answer = self.writes.carry(CALL, about, send).await;
        if matches!(answer, Ok(Answer::Refused(_)) | Err(Unanswered::NotSent(_))) {
            self.wrote.store(wrote, Ordering::SeqCst);
        }
        answer
    }

    /// Waits until a majority says that the member leads which is to.
    async fn arrives(&self, change: &Move, limit: Duration) -> anyhow::Result<()> {
        let mut looks = Looks::growing(PAUSE, LONGEST_PAUSE, Instant::now() + limit);
        let mut seen = String::new();
        while looks.next().await {
            seen = match self.kind.survey().await {
                Ok(survey) => match survey.led() {
                    Ok(Led { leader, .. }) if leader.id == change.to.id => return Ok(()),
                    Ok(Led { leader, .. }) => format!("{} leads", leader.name),
                    Err(why) => why,
                },
                Err(error) => format!("{error:#}"),
            };
        }
        bail!("{} did not become the leader: {seen}", change.to.name)
    }
}

/// The members are of the cluster that the change is about, and of no other.
fn is_the_same(survey: &Survey, change: &Move) -> anyhow::Result<()> {
    if survey.is_of_another(&change.cluster) {
        let now: Vec<_> = survey.clusters().into_keys().collect();
        bail!("another cluster answers here: {}, and this is about {}", now.join(", "), change.cluster);
    }
    Ok(())
}

fn standing(survey: &Survey, change: &Move) -> Standing {
    if survey.is_of_another(&change.cluster) {
        return Standing::Gone;
    }
    match survey.led() {
        Err(why) => Standing::Unwell { value: "no leader".to_owned(), why },
        Ok(Led { leader, .. }) => match leader.trouble() {
            trouble if leader.id == change.from.id => Standing::Before { trouble },
            None if leader.id == change.to.id => Standing::Target,
            Some(why) if leader.id == change.to.id => Standing::Unwell { value: leader.name.clone(), why },
            _ => Standing::Other { value: leader.name.clone() },
        },
    }
}

#[async_trait]
impl Settable for Cluster {
    type Change = Move;

    fn recall(&self, calls: &[Call]) {
        let wrote = calls.iter().any(|call| call.call == CALL && !matches!(call.answer, Some(Answer::Refused(_))));
        self.wrote.store(wrote, Ordering::SeqCst);
    }

    fn wrote(&self, _change: &Move) -> bool {
        self.wrote.load(Ordering::SeqCst)
    }

    fn by_hand(&self, change: &Move) -> String {
        self.kind.by_hand(&change.to, &change.from)
    }

    fn look_into(&self, _change: &Move) -> String {
        self.kind.look_into()
    }

    async fn deploy(&self, changes: &[Move], limit: Duration, watch: &dyn Watch) -> Result<(), DeployError> {
        for change in changes {
            self.shift(change, limit, watch).await?;
        }
        Ok(())
    }

    /// Whoever sent a move and died may have had it cut off, or not: it has come to an end when the leader is another one, or
    /// has been the same for a while.
    async fn arrive(&self, changes: &[Move], limit: Duration, _watch: &dyn Watch) -> anyhow::Result<()> {
        self.writes.over().await;
        let settles = self.kind.facts().settles;
        let mut looks = Looks::every(LONGEST_PAUSE, Instant::now() + limit);
        let mut calm: Option<Instant> = None;
        let mut why = String::new();
        while looks.next().await {
            let standings = match self.look(changes).await {
                Ok(standings) => standings,
                Err(error) => {
                    (calm, why) = (None, format!("; the last look: {error:#}"));
                    continue;
                }
            };
            let unwell = standings.iter().find_map(|standing| {
                if let Standing::Unwell { why, .. } = standing { Some(format!("; the last look: {why}")) } else { None }
            });
            why = unwell.unwrap_or_default();
            let has_moved =
                |standing: &Standing| matches!(standing, Standing::Target | Standing::Other { .. } | Standing::Gone);
            let is_before = |standing: &Standing| matches!(standing, Standing::Before { .. });
            if standings.iter().any(|standing| !has_moved(standing) && !is_before(standing)) {
                calm = None;
                continue;
            }
            let since = *calm.get_or_insert_with(Instant::now);
            if standings.iter().all(has_moved) || !self.wrote.load(Ordering::SeqCst) || since.elapsed() >= settles {
                return Ok(());
            }
        }
        bail!("no majority agreed on a leader within {} s{why}", limit.as_secs())
    }

    async fn look(&self, changes: &[Move]) -> anyhow::Result<Vec<Standing>> {
        self.writes.over().await;
        let survey = self.kind.survey().await?;
        Ok(changes.iter().map(|change| standing(&survey, change)).collect())
    }

    async fn go_back(&self, changes: &[Move], limit: Duration, watch: &dyn Watch) -> anyhow::Result<()> {
        if !self.wrote.load(Ordering::SeqCst) {
            return Ok(());
        }
        // What was sent may still come about.
        self.arrive(changes, limit, watch).await?;
        for (change, standing) in changes.iter().zip(self.look(changes).await?) {
            if matches!(standing, Standing::Target | Standing::Unwell { .. }) {
                self.shift(&change.reversed(), limit, watch).await.map_err(anyhow::Error::from)?;
            }
        }
        Ok(())
    }

    async fn clean_up(&self, _changes: &[Move]) -> anyhow::Result<()> {
        Ok(())
    }
}
