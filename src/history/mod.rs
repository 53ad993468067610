//! What was run on this host: `firebreak history`, read from the journals.

mod events;
mod list;
mod one;
mod prune;
mod status;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde::Deserialize;

use self::status::RunStatus;
use crate::action::arguments::UsageError;
use crate::action::consent::Consent;
use crate::action::context::Context;
use crate::action::report::Finding;
use crate::journal::Run;

/// What the command line says.
#[derive(Debug, Default, Deserialize)]
pub struct Args {
    arg_id: Option<String>,
    flag_action: Option<String>,
    flag_env: Option<String>,
    flag_outcome: Option<String>,
    flag_since: Option<String>,
    flag_prune: Option<String>,
    flag_yes: bool,
}

/// Shows the runs of the journal's folder that were asked for, or all of one; or removes those that are old.
///
/// # Errors
/// When the folder cannot be read, `--since` is no time, or of the one run not even the beginning is there.
pub async fn go(args: &Args, context: &Context) -> anyhow::Result<Finding> {
    let folder = context.journal.folder()?;
    if let Some(age) = &args.flag_prune {
        return prune::prune(folder, prune::age(age)?, Consent::of(false, args.flag_yes), context).await;
    }
    if let Some(id) = &args.arg_id {
        return match Run::read(&folder.journal(id)?) {
            Ok(run) => Ok(one::shown_of(&run, RunStatus::of(&run, context), context)),
            Err(error) => match &error.run {
                Some(run) => Ok(one::shown_of(run, RunStatus::Unreadable(&error), context)),
                None => Err(error.into()),
            },
        };
    }
    let since = args.flag_since.as_deref().map(instant).transpose()?;
    let (runs, unreadable) = folder.summaries()?;
    for error in &unreadable {
        context.watch.warn(&error.to_string());
    }
    let runs: Vec<_> = runs.iter().map(|run| (run, RunStatus::of(run, context))).collect();
    let wanted = |(run, status): &&(&Run, RunStatus)| {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
        is(&args.flag_action, Some(&run.began.action))
            && is(&args.flag_env, environment(run))
            && is(&args.flag_outcome, Some(status.name()))
            && since.is_none_or(|since| run.began.at >= since)
    };
    let shown: Vec<_> = runs.iter().filter(wanted).copied().collect();
    Ok(list::listed(&shown, runs.len(), unreadable.len(), folder.path(), context))
}

/// A day, as its beginning in UTC, or an instant.
fn instant(text: &str) -> Result<DateTime<Utc>, UsageError> {
    let day = text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    day.or_else(|_| text.parse()).map_err(|_| {
        UsageError(format!("--since: '{text}' is neither a day (2026-11-20) nor an instant (2026-11-20T18:00:00Z)"))
    })
}

/// The environment that a run is about.
fn environment(run: &Run) -> Option<&str> {
    Some(run.began.environment.as_str()).filter(|environment| !environment.is_empty())
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_day_or_an_instant() {
        let since = |text: &str| instant(text).map(shown).map_err(|error| error.to_string());
        assert_eq!(since("2026-11-20").as_deref(), Ok("2026-11-20T00:00:00Z"));
        assert_eq!(since("2026-11-20T18:00:00+02:00").as_deref(), Ok("2026-11-20T16:00:00Z"));
        let expected = "--since: 'lately' is neither a day (2026-11-20) nor an instant (2026-11-20T18:00:00Z)";
        assert_eq!(since("lately").expect_err("no time"), expected);
    }
}
