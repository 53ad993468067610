//! What an engine remembers: only the containers that stand now. A container's image never changes, so a service runs
//! its image since its containers were made; what was before the journal must tell.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::Engine;
use super::container::Container;
use crate::platform::image::WrittenImage;
use crate::platform::{Application, Ran};

/// One container, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    name: String,
    image: WrittenImage,
    /// When it was made; none where the engine does not say.
    at: Option<DateTime<Utc>>,
    runs: bool,
}

/// What each application runs, the newest first.
pub(super) async fn history(engine: &Engine, applications: &[Application]) -> anyhow::Result<Vec<Vec<Ran>>> {
    let mut histories = Vec::with_capacity(applications.len());
    for service in engine.services_of(applications.iter().map(|application| application.id.as_str())).await? {
        let mut made = Vec::new();
        for container in service.current() {
            made.push(Made::of(container, engine.image_text(container).await?));
        }
        histories.push(spans(&made));
    }
    Ok(histories)
}

impl Made {
    fn of(container: &Container, image: WrittenImage) -> Self {
        let at = container.inspect["Created"].as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        Self { name: container.name.clone(), image, at: at.map(|at| at.to_utc()), runs: container.runs() }
    }
}

/// One span for each image, since the last of its containers was made: before that one of them ran something else, or
/// was not there.
fn spans(made: &[Made]) -> Vec<Ran> {
    let mut images: Vec<&str> = made.iter().map(|one| one.image.as_str()).collect();
    images.sort_unstable();
    images.dedup();
    let mut spans: Vec<Ran> = images.into_iter().map(|image| span(image, made)).collect();
    spans.sort_by_key(|span| Reverse(span.from));
    spans
}

fn span(image: &str, made: &[Made]) -> Ran {
    let of_image: Vec<&Made> = made.iter().filter(|one| one.image == image).collect();
    let from =
        if of_image.iter().all(|one| one.at.is_some()) { of_image.iter().filter_map(|one| one.at).max() } else { None };
    let names: Vec<_> = of_image.iter().map(|one| format!("'{}'", one.name)).collect();
    let still = of_image.iter().find(|one| !one.runs);
    Ran {
        image: image.into(),
        from,
        until: None,
        source: format!("container {} was made", names.join(", ")),
        doubt: still.map(|one| format!("container '{}' does not run now", one.name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(name: &str, image: &str, hour: u32, runs: bool) -> Made {
        let inspect = json!({
            "Id": "0123456789abcdef", "Name": format!("/{name}"), "Image": "sha256:77", "Config": {"Image": image},
            "Created": format!("2026-11-20T{hour:02}:00:00.123456789+01:00"), "State": {"Running": runs},
        });
        Made::of(&Container::new(inspect).expect("a container"), image.into())
    }

    fn told(spans: &[Ran]) -> Vec<(&str, Option<String>, &str, Option<&str>)> {
        let row = |ran: &'_ Ran| ran.from.map(|from| from.format("%H").to_string());
        spans.iter().map(|ran| (ran.image.as_str(), row(ran), ran.source.as_str(), ran.doubt.as_deref())).collect()
    }

    #[test]
    fn a_service_runs_its_image_since_the_last_of_its_containers_was_made() {
        let spans = spans(&[made("dev-web-1", "web:2", 9, true), made("dev-web-2", "web:2", 11, true)]);
        let expected = ("web:2", Some("10".to_owned()), "container 'dev-web-1', 'dev-web-2' was made", None);
        assert_eq!(told(&spans), [expected]);
        assert_eq!(spans[0].until, None);
        assert_eq!(super::spans(&[]), []);
    }

    #[test]
    fn containers_that_disagree_are_a_span_each_and_one_that_does_not_run_is_doubted() {
        let spans = spans(&[made("dev-web-1", "web:1", 9, true), made("dev-web-2", "web:2", 11, false)]);
        let still = Some("container 'dev-web-2' does not run now");
        let expected = [
            ("web:2", Some("10".to_owned()), "container 'dev-web-2' was made", still),
            ("web:1", Some("08".to_owned()), "container 'dev-web-1' was made", None),
        ];
        assert_eq!(told(&spans), expected);
    }

    #[test]
    fn an_engine_that_does_not_say_when_leaves_the_beginning_open() {
        let spans = spans(&[Made { at: None, ..made("dev-web", "web:1", 9, true) }]);
        assert_eq!(spans[0].from, None);
    }
}
