//! The story of the drill: four services, five days, a release that broke today, and a good day to go back to.
//!
//! | days ago | billing | orders | users | web |
//! |---|---|---|---|---|
//! | 4 | 1.0.0 | 1.0.0 | 1.0.0 | 2.0.0 |
//! | 3 | 1.1.0 | | 1.1.0 | |
//! | 2 | | 1.1.0 | 1.2.0 | 2.1.0 |
//! | 1 | 1.2.0 | | 1.3.0, 1.3.1 | 2.2.0 |
//! | 0 | 1.3.0 | 1.2.0 | 1.4.0 | 2.3.0 |
//!
//! It is told on Marathon here, and on Kubernetes in [`kubernetes`]. The day to go back to is yesterday. `orders` has no
//! image of that day: its own comes from the day before.
//!
//! A worker runs the image of `billing`, and on Kubernetes a cron job as well: whoever goes by names alone leaves them on
//! the broken release.
//!
//! Each image was deployed in the afternoon of its day, today's a while ago. But `users` 1.2.0 was built and never
//! deployed: at the end of that day its 1.1.0 still ran, and that is what Marathon remembers.

pub mod kubernetes;

use chrono::{DateTime, Days, FixedOffset, NaiveDate, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Platform;
use super::registry::{Description, Format, ImageStore};

/// The services, each with a repository of its name: three back ends and a front end.
pub const SERVICES: [&str; 4] = ["billing", "orders", "users", "web"];

/// The workloads besides those that are called as their service, each with the service whose image it runs.
const FURTHER: [(&str, &str); 1] = [("billing-worker", "billing")];

/// The workload that Kubernetes alone has, and its service.
pub const CRON_JOB: (&str, &str) = ("billing-report", "billing");

/// The workloads of a platform, each with the service whose image it runs.
#[must_use]
pub fn workloads(platform: Platform) -> Vec<(&'static str, &'static str)> {
    let of_its_name = SERVICES.into_iter().map(|service| (service, service));
    let cron_job = Some(CRON_JOB).filter(|_| platform == Platform::Kubernetes);
    of_its_name.chain(FURTHER).chain(cron_job).collect()
}

/// The environments: as they stand in the ids of running services, and at the end of tags.
pub const ENVIRONMENTS: [(&str, &str); 3] = [("dev", "develop"), ("stage", "stage"), ("prod", "master")];

/// The end of the tags among which are images that bear a base image's date as well, and a chart.
const ODD_TAG: &str = "stage";

/// The secret in the environment of every application: it must never be seen outside of the drill's platform.
pub const SECRET: &str = "drill-fake-secret-that-must-never-be-printed";

/// Days ago, service, version, form.
const RELEASES: [(u64, &str, &str, Format); 17] = [
    (4, "billing", "1.0.0", Format::Docker),
    (4, "orders", "1.0.0", Format::Docker),
    (4, "users", "1.0.0", Format::Oci),
    (4, "web", "2.0.0", Format::DockerList),
    (3, "billing", "1.1.0", Format::Docker),
    (3, "users", "1.1.0", Format::Oci),
    (2, "orders", "1.1.0", Format::Docker),
    (2, "users", "1.2.0", Format::Oci),
    (2, "web", "2.1.0", Format::OciIndex),
    (1, "billing", "1.2.0", Format::Oci),
    (1, "users", "1.3.0", Format::Oci),
    (1, "users", "1.3.1", Format::Oci),
    (1, "web", "2.2.0", Format::OciIndex),
    (0, "billing", "1.3.0", Format::Oci),
    (0, "orders", "1.2.0", Format::Docker),
    (0, "users", "1.4.0", Format::Oci),
    (0, "web", "2.3.0", Format::OciIndex),
];

/// What each service runs as the broken release left it, and on the good day: written out, not computed.
const VERSIONS: [(&str, &str, &str); 4] = [
    ("billing", "1.3.0", "1.2.0"),
    // Yesterday has none: the one of the day before.
    ("orders", "1.2.0", "1.1.0"),
    // Yesterday has two: the later one.
    ("users", "1.4.0", "1.3.1"),
    ("web", "2.3.0", "2.2.0"),
];

/// The image that was built and never deployed.
const NEVER_RAN: (&str, &str) = ("users", "1.2.0");

/// How the services can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShopState {
    /// As the broken release of today left them.
    Broken,
    /// As [`good_day`] requires.
    Good,
}

/// The version that a service runs: what a rollback is checked against.
#[must_use]
pub fn version(service: &str, stand: ShopState) -> Option<&'static str> {
    let (_, broken, good) = VERSIONS.into_iter().find(|(name, ..)| *name == service)?;
    Some(if stand == ShopState::Broken { broken } else { good })
}

/// The day to go back to: yesterday.
#[must_use]
pub fn good_day(now: DateTime<Utc>) -> NaiveDate {
    now.date_naive() - Days::new(1)
}

/// What an environment is called at the end of tags.
#[must_use]
pub fn tag_of(environment: &str) -> Option<&'static str> {
    ENVIRONMENTS.iter().find(|(name, _)| *name == environment).map(|(_, tag)| *tag)
}

/// The id of a workload's application.
#[must_use]
pub fn application_id(environment: &str, workload: &str) -> String {
    format!("/shop/{environment}/shop/{workload}")
}

/// When an image was built: earlier days in office hours, today's between midnight and now.
fn built(now: DateTime<Utc>, days_ago: u64, place: i32) -> DateTime<Utc> {
    let midnight = (now.date_naive() - Days::new(days_ago)).and_time(chrono::NaiveTime::MIN).and_utc();
    if days_ago == 0 {
        midnight + (now - midnight) / 128 * place
    } else {
        midnight + TimeDelta::minutes(480 + 5 * i64::from(place))
    }
}

/// Since when an application runs what it runs, and what it ran before that, the oldest first. One that is none of the
/// story's services ran nothing else, for a year.
#[must_use]
pub fn past(app: &Value, now: DateTime<Utc>) -> (DateTime<Utc>, Vec<(DateTime<Utc>, String)>) {
    let id = app["id"].as_str().unwrap_or_default();
    let image = app.pointer("/container/docker/image").and_then(Value::as_str).unwrap_or_default();
    let is_of = |(environment, _): &(&str, &str), workload: &str| id == application_id(environment, workload);
    let is_it = |(workload, _): &(&str, &str)| ENVIRONMENTS.iter().any(|environment| is_of(environment, workload));
    let found = workloads(Platform::Marathon).into_iter().find(is_it);
    let (Some((_, service)), Some((name, tag))) = (found, image.rsplit_once(':')) else {
        return (now.trunc_subsecs(3) - TimeDelta::days(365), Vec::new());
    };
    let environment = tag.rsplit('-').next().unwrap_or_default();
    let deployed =
        (0..).zip(RELEASES).filter(|(_, (_, of, version, _))| *of == service && (*of, *version) != NEVER_RAN);
    let mut past: Vec<_> = deployed
        .map(|(place, (days_ago, _, version, _))| {
            (deployed_at(now, days_ago, place), format!("{name}:{version}-{environment}"))
        })
        .collect();
    let since = past.pop().map_or(now, |(at, _)| at);
    (since, past)
}

/// When an image was deployed: earlier days in the afternoon, today's between the last of today's builds and now.
fn deployed_at(now: DateTime<Utc>, days_ago: u64, place: i32) -> DateTime<Utc> {
    let midnight = (now.date_naive() - Days::new(days_ago)).and_time(chrono::NaiveTime::MIN).and_utc();
    let since =
        if days_ago == 0 { (now - midnight) / 128 * 100 } else { TimeDelta::minutes(840 + 15 * i64::from(place)) };
    (midnight + since).trunc_subsecs(3)
}

/// Fills a registry: every environment has the same releases, and each repository something that is no image of it.
/// `stage` has what needs a careful look as well.
pub fn stock(images: &ImageStore, now: DateTime<Utc>) {
    let mut place = 0;
    for (_, tag) in ENVIRONMENTS {
        for (days_ago, service, version, format) in RELEASES {
            place += 1;
            let at = built(now, days_ago, place);
            let image = dated(Description::new(service, &format!("{version}-{tag}"), format), at);
            let inherits = tag == ODD_TAG && service == "billing" && format == Format::Oci;
            let base = (at - TimeDelta::days(25)).to_rfc3339();
            images.put(&if inherits { image.annotated(base) } else { image });
        }
        // Undated ones, which nobody may take for old or for new: without a date, and with a reproducible build's.
        images.put(&Description::new("orders", &format!("1.1.1-{tag}"), Format::Docker));
        images.put(&Description::new("users", &format!("0.9.0-{tag}"), Format::Oci).created("1970-01-01T00:00:00Z"));
        // It ends with the environment's name and is of none.
        let late = built(now, 1, 180);
        images.put(&dated(Description::new("billing", &format!("1.9.0-pre{tag}"), Format::Oci), late));
    }
    // A chart beside the images, dated like them.
    let chart = Description::new("orders", &format!("1.1.2-{ODD_TAG}"), Format::Chart);
    images.put(&chart.annotated(built(now, 1, 181).to_rfc3339()));
    // Tags that move.
    if let Some(newest) = images.digest("users", "1.4.0-develop") {
        images.tag("users", "develop", &newest);
    }
    for service in SERVICES {
        let newest = version(service, ShopState::Broken)
            .and_then(|version| images.digest(service, &format!("{version}-master")));
        let Some(newest) = newest else { continue };
        images.tag(service, "latest", &newest);
        let signed = newest.replace(':', "-");
        for tag in [format!("{signed}.sig"), format!("{signed}.att"), signed] {
            images.put(&Description::new(service, &tag, Format::Signature));
        }
    }
    images.put(&Description::new("proxy", "1.0.0-develop", Format::Oci).created("2024-01-01T00:00:00Z"));
}

/// Dates an image in one of the ways that are found: with nanoseconds, with an offset, as an annotation.
fn dated(description: Description, at: DateTime<Utc>) -> Description {
    match description.repository.as_str() {
        "orders" => {
            let zone = FixedOffset::east_opt(2 * 3600).map(|zone| at.with_timezone(&zone).to_rfc3339());
            description.created(zone.unwrap_or_else(|| at.to_rfc3339()))
        }
        "users" => {
            let text = at.to_rfc3339_opts(SecondsFormat::Millis, true);
            description.created(text.clone()).annotated(text)
        }
        _ => description.created(at.to_rfc3339_opts(SecondsFormat::Nanos, true)),
    }
}

/// The applications of an environment, each with its broken release. `host` is the registry's.
#[must_use]
pub fn applications(host: &str, environment: &str) -> Vec<Value> {
    let Some(tag) = tag_of(environment) else { return Vec::new() };
    let image =
        |service: &str| format!("{host}/{service}:{}-{tag}", version(service, ShopState::Broken).unwrap_or_default());
    let id = |service| application_id(environment, service);
    let check = json!([{
        "protocol": "MESOS_HTTP", "path": "/health", "portIndex": 0, "gracePeriodSeconds": 300, "intervalSeconds": 10,
        "timeoutSeconds": 5, "maxConsecutiveFailures": 3, "ignoreHttp1xx": false,
    }]);
    vec![
        json!({
            "id": id("billing"), "instances": 2, "cpus": 0.5, "mem": 256,
            "container": {
                "type": "DOCKER",
                "docker": {
                    "image": image("billing"), "forcePullImage": true,
                    "parameters": [{"key": "log-driver", "value": "journald"}],
                },
                "volumes": [{"containerPath": "/var/lib/billing", "hostPath": "/srv/billing", "mode": "RW"}],
                "portMappings": [{"containerPort": 8080, "hostPort": 0, "protocol": "tcp", "servicePort": 10101, "name": "http"}],
            },
            "networks": [{"mode": "container/bridge"}],
            "env": {"DATABASE_PASSWORD": SECRET, "LOG_LEVEL": "info"},
            "executorResources": {"cpus": 0.1, "mem": 32},
            "resourceLimits": {"cpus": "unlimited", "mem": 512},
            "healthChecks": check, "labels": {"team": "money", "tier": "back"},
        }),
        json!({
            "id": id("orders"), "instances": 1, "cpus": 0.25, "mem": 128,
            "container": {
                "type": "DOCKER",
                "docker": {"image": image("orders")},
                "volumes": [{"containerPath": "/etc/orders", "hostPath": "/srv/orders", "mode": "RO"}],
                "portMappings": [{"containerPort": 8080, "hostPort": 0, "protocol": "tcp", "servicePort": 10102, "name": "http"}],
            },
            "networks": [{"mode": "container/bridge"}],
            "env": {"DATABASE_PASSWORD": SECRET},
            "executorResources": {"cpus": 0.1, "mem": 32},
            "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
            "labels": {"team": "sales", "tier": "back"},
        }),
        json!({
            "id": id("users"), "instances": 2, "cpus": 0.25, "mem": 128,
            "container": {
                "type": "MESOS",
                "docker": {"image": image("users"), "pullConfig": {"secret": "pull"}},
                "volumes": [{"containerPath": "/var/lib/users", "hostPath": "/srv/users", "mode": "RW"}],
            },
            "secrets": {"pull": {"source": "/shop/pull-config"}},
            "env": {"DATABASE_PASSWORD": SECRET},
            "healthChecks": check, "labels": {"team": "accounts", "tier": "back"},
            "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.5},
        }),
        json!({
            "id": id("web"), "instances": 3, "cpus": 0.25, "mem": 64,
            "container": {
                "type": "DOCKER",
                "docker": {"image": image("web")},
                "portMappings": [{"containerPort": 80, "hostPort": 0, "protocol": "tcp", "servicePort": 10104, "name": "http"}],
            },
            "networks": [{"mode": "container/bridge"}],
            "dependencies": [id("billing"), id("orders"), id("users")],
            "env": {"SESSION_SECRET": SECRET},
            "healthChecks": check, "labels": {"team": "shop", "tier": "front"},
        }),
        json!({
            "id": id("billing-worker"), "instances": 1, "cpus": 0.25, "mem": 128, "args": ["work"],
            "container": {"type": "DOCKER", "docker": {"image": image("billing")}},
            "networks": [{"mode": "container/bridge"}],
            "env": {"DATABASE_PASSWORD": SECRET},
            "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
            "labels": {"team": "money", "tier": "back"},
        }),
    ]
}

/// Applications that are none of the story's services, though parts of their ids say so.
#[must_use]
pub fn strangers(host: &str) -> Vec<Value> {
    let app = |id: &str, image: &str| json!({"id": id, "instances": 1, "container": {"type": "DOCKER", "docker": {"image": format!("{host}/{image}")}}});
    vec![
        // The same last part and environment, another image: what the team next door calls `web`.
        app("/tools/dev/proxy/web", "proxy:1.0.0-develop"),
        // Ends with the name of a service, and runs another image.
        app("/shop/dev/shop/pre-orders", "proxy:1.0.0-develop"),
        // The environment is part of another word.
        app("/shop/devtools/shop/billing", "billing:1.3.0-develop"),
    ]
}
