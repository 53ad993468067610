//! A port for values that are read and written one at a time, such as files or settings: what a set needs of the world where
//! the other side knows no change of several at once. As [`Each`](super::Each) is the smallest batch, this is the smallest set.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::plan::Row;
use crate::journal::write::{Unanswered, Writes};
use crate::journal::{Answer, Call, Ledger};
use crate::port::{Change, DeployError, Settable, Standing};
use crate::watch::Watch;

/// Values that are read and written one at a time.
#[async_trait]
pub trait Values: Send + Sync + 'static {
    /// What a value is now; none where there is none.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn read(&self, id: &str) -> anyhow::Result<Option<String>>;

    /// Sets a value, whole or not at all. It is carried to its end, and so must be bounded in time.
    ///
    /// # Errors
    /// When it was refused, or what became of it is not known.
    async fn write(&self, id: &str, value: &str) -> anyhow::Result<()>;

    /// Why what has this value does not work as it should; none where it does.
    async fn trouble(&self, _id: &str, _value: &str) -> Option<String> {
        None
    }

    /// What a person types to set a value, for the shell.
    fn by_hand(&self, id: &str, value: &str) -> String;

    /// What a person types to see a value, for the shell.
    fn look_into(&self, id: &str) -> String;
}

/// A value, from what it was when the plan was made to what it is set to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChange {
    /// Its name.
    pub id: String,
    /// What it was.
    pub before: String,
    /// What it is set to.
    pub after: String,
}

/// The port to such values.
pub struct OneByOne<V> {
    values: Arc<V>,
    writes: Writes,
    /// The names of those that this run wrote, or may have.
    own: Mutex<BTreeSet<String>>,
}

impl<V: Values> OneByOne<V> {
    /// The port, whose writes this ledger holds.
    #[must_use]
    pub fn new(values: V, ledger: Arc<dyn Ledger>) -> Self {
        Self { values: Arc::new(values), writes: Writes::new(ledger), own: Mutex::default() }
    }

    /// The rows of a plan: from what each value is now to what `target` says of its name.
    ///
    /// # Errors
    /// When a value cannot be read, or is not there.
    pub async fn rows(
        &self,
        ids: impl IntoIterator<Item = String>,
        target: impl Fn(&str) -> String,
    ) -> anyhow::Result<Vec<Row<ValueChange>>> {
        let mut rows = Vec::new();
        for id in ids {
            let before = self.values.read(&id).await?;
            let before = before.ok_or_else(|| anyhow::anyhow!("there is no {id}"))?;
            let change = ValueChange { before, after: target(&id), id };
            let is_there = change.before == change.after;
            rows.push(Row { change: (!is_there).then(|| change.clone()), ..Row::of(change, Vec::new()) });
        }
        Ok(rows)
    }

    async fn set(&self, id: &str, from: &str, to: &str) -> anyhow::Result<()> {
        let now = self.values.read(id).await?;
        anyhow::ensure!(now.as_deref() == Some(from), "{id} was changed by others meanwhile");
        // Before it is sent: this future may be dropped, and the write goes on.
        let is_first = self.own().insert(id.to_owned());
        let (values, name, value) = (Arc::clone(&self.values), id.to_owned(), to.to_owned());
        let send = async move {
            let written = values.write(&name, &value).await;
            written.map_or_else(|error| Answer::Lost(format!("{error:#}")), |()| Answer::Taken(Value::Null))
        };
        match self.writes.carry("set", json!({ "id": id }), send).await {
            Ok(Answer::Taken(_)) => Ok(()),
            Ok(Answer::Refused(why) | Answer::Lost(why)) => anyhow::bail!("failed to set {id}: {why}"),
            Err(unanswered) => {
                if is_first && matches!(unanswered, Unanswered::NotSent(_)) {
                    self.own().remove(id);
                }
                Err(unanswered.into())
            }
        }
    }

    async fn standing(&self, change: &ValueChange) -> anyhow::Result<Standing> {
        let Some(value) = self.values.read(&change.id).await? else { return Ok(Standing::Gone) };
        let trouble = self.values.trouble(&change.id, &value).await;
        Ok(match trouble {
            trouble if value == change.before => Standing::Before { trouble },
            None if value == change.after => Standing::Target,
            Some(why) if value == change.after => Standing::Unwell { value, why },
            _ => Standing::Other { value },
        })
    }

    fn own(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<V: Values> Settable for OneByOne<V> {
    type Change = ValueChange;

    fn recall(&self, calls: &[Call]) {
        *self.own() = calls.iter().filter_map(|call| call.about["id"].as_str().map(str::to_owned)).collect();
    }

    fn wrote(&self, change: &ValueChange) -> bool {
        self.own().contains(&change.id)
    }

    fn by_hand(&self, change: &ValueChange) -> String {
        self.values.by_hand(&change.id, &change.before)
    }

    fn look_into(&self, change: &ValueChange) -> String {
        self.values.look_into(&change.id)
    }

    async fn deploy(&self, changes: &[ValueChange], limit: Duration, _: &dyn Watch) -> Result<(), DeployError> {
        for change in changes {
            let set = timeout(limit, self.set(&change.id, &change.before, &change.after)).await;
            let set =
                set.unwrap_or_else(|_| Err(anyhow::anyhow!("{} was not set within {limit:?} (--timeout)", change.id)));
            set.map_err(|error| {
                let is_sent = changes.iter().any(|change| self.wrote(change));
                if is_sent { DeployError::Sent(error) } else { DeployError::NothingSent(error) }
            })?;
        }
        Ok(())
    }

    async fn arrive(&self, _: &[ValueChange], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
        self.writes.over().await;
        Ok(())
    }

    async fn look(&self, changes: &[ValueChange]) -> anyhow::Result<Vec<Standing>> {
        self.writes.over().await;
        let mut standings = Vec::new();
        for change in changes {
            standings.push(self.standing(change).await?);
        }
        Ok(standings)
    }

    async fn go_back(&self, changes: &[ValueChange], _: Duration, _: &dyn Watch) -> anyhow::Result<()> {
        self.writes.over().await;
        for change in changes.iter().filter(|change| self.wrote(change)) {
            if self.values.read(&change.id).await?.as_deref() == Some(change.after.as_str()) {
                self.set(&change.id, &change.after, &change.before).await?;
            }
        }
        Ok(())
    }

    async fn clean_up(&self, _: &[ValueChange]) -> anyhow::Result<()> {
        Ok(())
    }
}

impl Change for ValueChange {
    fn subject(&self) -> &str {
        &self.id
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn before(&self) -> String {
        self.before.clone()
    }

    fn after(&self) -> &str {
        &self.after
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::journal::Unrecorded;
    use crate::watch::Unwatched;

    type Shelf = Arc<Mutex<BTreeMap<String, String>>>;

    /// Values in memory; `full` cannot be set.
    #[async_trait]
    impl Values for Shelf {
        async fn read(&self, id: &str) -> anyhow::Result<Option<String>> {
            Ok(self.lock().expect("the shelf").get(id).cloned())
        }

        async fn write(&self, id: &str, value: &str) -> anyhow::Result<()> {
            anyhow::ensure!(id != "full", "no room");
            self.lock().expect("the shelf").insert(id.to_owned(), value.to_owned());
            Ok(())
        }

        fn by_hand(&self, id: &str, value: &str) -> String {
            format!("put {id} {value}")
        }

        fn look_into(&self, id: &str) -> String {
            format!("show {id}")
        }
    }

    const LIMIT: Duration = Duration::from_mins(1);

    fn port(shelf: &Shelf) -> OneByOne<Shelf> {
        OneByOne::new(Arc::clone(shelf), Arc::new(Unrecorded::default()))
    }

    /// A port to values that are all `old`, and the changes of all to `new`.
    async fn planned(ids: &[&str]) -> (Shelf, OneByOne<Shelf>, Vec<ValueChange>) {
        let shelf: Shelf = Arc::default();
        shelf.lock().expect("the shelf").extend(ids.iter().map(|id| ((*id).to_owned(), "old".to_owned())));
        let port = port(&shelf);
        let rows = port.rows(ids.iter().map(|id| (*id).to_owned()), |_| "new".to_owned()).await.expect("the rows");
        let changes = rows.into_iter().filter_map(|row| row.change).collect();
        (shelf, port, changes)
    }

    fn set(shelf: &Shelf, id: &str, value: &str) {
        shelf.lock().expect("the shelf").insert(id.to_owned(), value.to_owned());
    }

    #[tokio::test]
    async fn what_others_changed_is_neither_overwritten_nor_taken_back() {
        let (shelf, port, changes) = planned(&["a", "b"]).await;
        set(&shelf, "a", "theirs");
        match port.deploy(&changes, LIMIT, &Unwatched).await {
            Err(DeployError::NothingSent(error)) => assert_eq!(error.to_string(), "a was changed by others meanwhile"),
            other => panic!("{other:?}"),
        }
        assert!(!changes.iter().any(|change| port.wrote(change)));
        set(&shelf, "b", "new");
        port.go_back(&changes, LIMIT, &Unwatched).await.expect("nothing to do");
        let standings = port.look(&changes).await.expect("how they stand");
        assert_eq!(standings, [Standing::Other { value: "theirs".to_owned() }, Standing::Target]);
    }

    #[tokio::test]
    async fn what_was_written_before_one_failed_is_taken_back() {
        let (_, port, changes) = planned(&["a", "full"]).await;
        match port.deploy(&changes, LIMIT, &Unwatched).await {
            Err(DeployError::Sent(error)) => assert_eq!(error.to_string(), "failed to set full: no room"),
            other => panic!("{other:?}"),
        }
        port.go_back(&changes, LIMIT, &Unwatched).await.expect("the way back");
        let standings = port.look(&changes).await.expect("how they stand");
        assert_eq!(standings, [Standing::Before { trouble: None }, Standing::Before { trouble: None }]);
    }

    #[tokio::test]
    async fn a_later_process_takes_back_only_what_the_one_that_died_had_written_down() {
        let (shelf, _, changes) = planned(&["a", "b"]).await;
        set(&shelf, "a", "new");
        set(&shelf, "b", "new");
        let later = port(&shelf);
        later.recall(&[Call { call: "set".to_owned(), about: json!({ "id": "a" }), answer: None }]);
        later.go_back(&changes, LIMIT, &Unwatched).await.expect("the way back");
        assert_eq!(
            shelf.lock().expect("the shelf").clone(),
            [("a", "old"), ("b", "new")].map(|(id, value)| (id.to_owned(), value.to_owned())).into()
        );
    }
}
