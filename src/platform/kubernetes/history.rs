//! What ran, as Kubernetes remembers it: ReplicaSets of a Deployment, ControllerRevisions of the others. Each knows when
//! it was made. Going back uses an old one a second time, and that leaves no time.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures_util::future::try_join;
use serde_json::Value;

use super::Kubernetes;
use super::workload::{Kind, is_owned, parts};
use crate::platform::image::WrittenImage;
use crate::platform::{Application, Ran};

/// The number of a ReplicaSet's last use.
const NUMBER: &str = "deployment.kubernetes.io/revision";
/// The numbers of its uses before that.
const EARLIER: &str = "deployment.kubernetes.io/revision-history";

/// What each application ran, the newest first.
pub(super) async fn of(kubernetes: &Kubernetes, applications: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>> {
    let kinds: Vec<Kind> = applications.iter().filter_map(|one| Some(parts(&one.id)?.0)).collect();
    let list = async |name: &str, is_wanted: bool| {
        if !is_wanted {
            return Ok(Vec::new());
        }
        let path = format!("/apis/apps/v1/namespaces/{}/{name}", kubernetes.namespace);
        kubernetes.client.list(&path).await.with_context(|| format!("failed to read what ran: the {name}"))
    };
    let (replica_sets, revisions) = try_join(
        list("replicasets", kinds.contains(&Kind::Deployment)),
        list("controllerrevisions", kinds.iter().any(|kind| matches!(kind, Kind::StatefulSet | Kind::DaemonSet))),
    )
    .await?;
    let ran = |application: &Application| {
        let id = &application.id;
        let (kind, _) = parts(id).with_context(|| format!("'{id}' is no application of Kubernetes"))?;
        let kept = match kind {
            Kind::Deployment => &replica_sets,
            Kind::StatefulSet | Kind::DaemonSet => &revisions,
            // Nothing tells what its jobs were made of.
            Kind::CronJob => return Ok(Vec::new()),
        };
        let container = kubernetes.container(application);
        // The uid stands before the slash: another object of that name has a history of its own.
        let uid = application.revision.split('/').next().unwrap_or_default();
        let own = kept.iter().filter(|object| is_owned(object, uid));
        let templates: Vec<Template> = own.filter_map(|object| template(kind, object, &container)).collect();
        Ok(spans(&uses(kind, &templates)))
    };
    applications.iter().map(ran).collect()
}

/// A template that was in use, and the numbers of its uses.
#[derive(Debug, Clone)]
struct Template {
    source: String,
    image: WrittenImage,
    made: DateTime<Utc>,
    /// The number of its last use.
    number: u64,
    /// Those before it, where they are known.
    earlier: Vec<u64>,
}

/// One use of a template.
#[derive(Debug, Clone)]
struct Use {
    number: u64,
    source: String,
    image: WrittenImage,
    /// Since when; none for one that was not the template's first.
    since: Option<DateTime<Utc>>,
}

fn template(kind: Kind, object: &Value, container: &str) -> Option<Template> {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str()?;
    let made = DateTime::parse_from_rfc3339(metadata["creationTimestamp"].as_str()?).ok()?.to_utc();
    let (source, pods, number, earlier) = if kind == Kind::Deployment {
        let annotations = &metadata["annotations"];
        let earlier = annotations[EARLIER].as_str().unwrap_or_default();
        let earlier = earlier.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        let number = annotations[NUMBER].as_str()?.parse().ok()?;
        (format!("ReplicaSet {name}"), &object["spec"]["template"], number, earlier)
    } else {
        let pods = &object["data"]["spec"]["template"];
        (format!("ControllerRevision {name}"), pods, object["revision"].as_u64()?, Vec::new())
    };
    let lists = ["containers", "initContainers"].map(|name| pods["spec"][name].as_array());
    let mut containers = lists.into_iter().flatten().flatten();
    let image = containers.find(|one| one["name"] == container)?["image"].as_str()?.into();
    Some(Template { source, image, made, number, earlier })
}

/// Every use of every template, the first use first.
fn uses(kind: Kind, templates: &[Template]) -> Vec<Use> {
    let mut templates = templates.to_vec();
    templates.sort_by_key(|one| (one.made, one.number));
    if kind != Kind::Deployment {
        // A ControllerRevision does not tell its first number: it had one below that of the next that was made.
        let mut next = u64::MAX;
        for one in templates.iter_mut().rev() {
            let first = one.number.min(next.saturating_sub(1));
            if first < one.number {
                one.earlier = vec![first];
            }
            next = first;
        }
    }
    let mut uses: Vec<Use> = Vec::new();
    for one in templates {
        let mut numbers = one.earlier;
        numbers.push(one.number);
        numbers.sort_unstable();
        numbers.dedup();
        uses.extend(numbers.into_iter().enumerate().map(|(place, number)| Use {
            number,
            source: one.source.clone(),
            image: one.image.clone(),
            since: (place == 0).then_some(one.made),
        }));
    }
    uses.sort_by_key(|one| one.number);
    uses
}

/// From when to when each use lasted, the newest first. What has lost its beginning is given the earliest that it may
/// have had, and what came before it the latest end; both are doubtful.
fn spans(uses: &[Use]) -> Vec<Ran> {
    let mut spans: Vec<Ran> = Vec::new();
    let mut earliest = None;
    for (place, one) in uses.iter().enumerate() {
        let next = uses.get(place + 1);
        let end = uses[place + 1..].iter().find_map(|one| one.since);
        earliest = one.since.or(earliest);
        let mut doubts = Vec::new();
        if one.since.is_none() {
            doubts.push(format!("since when is not known: {} was used a second time", one.source));
        }
        if let Some(next) = next.filter(|next| next.since.is_none()) {
            doubts.push(format!("until when is not known: {} was used a second time", next.source));
        }
        if next.is_some_and(|next| next.number > one.number + 1) {
            doubts.push("what ran next is no longer known".to_owned());
        }
        let doubt = Some(doubts.join("; ")).filter(|doubts| !doubts.is_empty());
        spans.push(Ran { image: one.image.clone(), from: earliest, until: end, source: one.source.clone(), doubt });
    }
    spans.reverse();
    spans
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 20, 10, minute, 0).unwrap()
    }

    fn template(image: &str, minute: u32, earlier: &[u64], number: u64) -> Template {
        Template {
            source: image.to_uppercase(),
            image: image.into(),
            made: at(minute),
            number,
            earlier: earlier.to_vec(),
        }
    }

    /// Image, from and until in minutes, doubt.
    fn told(kind: Kind, templates: &[Template]) -> Vec<(String, Option<u32>, Option<u32>, String)> {
        let minute = |time: DateTime<Utc>| u32::try_from((time - at(0)).num_minutes()).unwrap();
        let row = |ran: Ran| {
            (ran.image.to_string(), ran.from.map(minute), ran.until.map(minute), ran.doubt.unwrap_or_default())
        };
        spans(&uses(kind, templates)).into_iter().map(row).collect()
    }

    fn row(image: &str, from: u32, until: Option<u32>, doubt: &str) -> (String, Option<u32>, Option<u32>, String) {
        (image.to_owned(), Some(from), until, doubt.to_owned())
    }

    const SINCE: &str = "since when is not known: A was used a second time";
    const UNTIL: &str = "until when is not known: A was used a second time";

    #[test]
    fn each_runs_until_the_next_is_made() {
        let templates = [template("b", 5, &[], 2), template("a", 1, &[], 1), template("c", 9, &[], 3)];
        let expected = [row("c", 9, None, ""), row("b", 5, Some(9), ""), row("a", 1, Some(5), "")];
        assert_eq!(told(Kind::Deployment, &templates), expected);
        assert_eq!(told(Kind::DaemonSet, &templates), expected);
        assert_eq!(told(Kind::Deployment, &[]), []);
    }

    #[test]
    fn one_that_was_used_a_second_time_has_lost_its_time_and_the_end_of_the_one_before() {
        let expected =
            [row("c", 9, None, ""), row("a", 5, Some(9), SINCE), row("b", 5, Some(9), UNTIL), row("a", 1, Some(5), "")];
        let replica_sets = [template("a", 1, &[1], 3), template("b", 5, &[], 2), template("c", 9, &[], 4)];
        assert_eq!(told(Kind::Deployment, &replica_sets), expected);
        // A ControllerRevision does not say so, but it is older than one of a lower number.
        let revisions = [template("a", 1, &[], 3), template("b", 5, &[], 2), template("c", 9, &[], 4)];
        assert_eq!(told(Kind::StatefulSet, &revisions), expected);
    }

    #[test]
    fn what_is_no_longer_kept_leaves_a_doubt() {
        let templates = [template("a", 1, &[], 1), template("c", 9, &[], 3)];
        let expected = [row("c", 9, None, ""), row("a", 1, Some(9), "what ran next is no longer known")];
        assert_eq!(told(Kind::Deployment, &templates), expected);
    }
}
