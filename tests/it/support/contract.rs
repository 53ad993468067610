//! What every platform promises, asked of each in the same way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use firebreak::action::consent::Consent;
use firebreak::action::run_journal::RunJournal;
use firebreak::http::{self, Trust};
use firebreak::journal::Unrecorded;
use firebreak::journal::record::Began;
use firebreak::platform::image::{ImageName, WrittenImage};
use firebreak::platform::{Access, Application, Change, DeployError, Platform, RegistryLogin, Standing, connect};
use firebreak::watch::{Progress, Unwatched, Watch};
use secrecy::SecretString;

/// Long enough for what is to succeed.
pub const LIMIT: Duration = Duration::from_mins(1);

/// As before, and well.
pub const BEFORE: Standing = Standing::Before { trouble: None };

/// Access for somebody whose writes nobody has to know of later.
pub fn access(http: http::Client, login: Option<(&str, &SecretString)>, registry: Option<RegistryLogin>) -> Access {
    let (user, password) = login.map(|(user, password)| (user.to_owned(), password.clone())).unzip();
    Access { user, password, registry, kubeconfigs: None, http, ledger: Arc::new(Unrecorded::default()) }
}

/// The changes that set services of an environment to images: `(service, image)`, in this order.
pub async fn changes(platform: &dyn Platform, environment: &str, targets: &[(&str, &str)]) -> Vec<Change> {
    let applications = platform.applications(environment).await.expect("the applications");
    let change = |(service, to): &(&str, &str)| {
        let name: ImageName = to.parse().expect("an image");
        let runs = |image: &WrittenImage| image.name().is_some_and(|image| image.is_of(name.repository()));
        let is_it = |one: &&Application| one.service == *service && one.images.iter().any(runs);
        let found = applications.iter().find(is_it);
        let mut application = found.unwrap_or_else(|| panic!("no service '{service}' in {applications:?}")).clone();
        application.images.retain(runs);
        Change { application, to: (*to).into() }
    };
    targets.iter().map(change).collect()
}

/// Runs the whole contract. The services are well, and not at their targets; in the end they are.
pub async fn hold(platform: &dyn Platform, environment: &str, targets: &[(&str, &str)]) {
    let all = |standing: Standing| vec![standing; targets.len()];
    let look = async |changes: &[Change]| platform.look(changes).await.expect("how they stand");

    // Nothing was done: nothing is taken back.
    let planned = changes(platform, environment, targets).await;
    assert_eq!(look(&planned).await, all(BEFORE));
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("nothing to take back");
    assert_eq!(look(&planned).await, all(BEFORE));
    assert_eq!(changes(platform, environment, targets).await, planned, "nothing was touched");

    // A plan that is out of date changes nothing, be it for the last of its services.
    let mut stale = planned.clone();
    let last = stale.last_mut().expect("a service");
    last.application.revision = format!("{}0", last.application.revision);
    let error = platform.deploy(&stale, LIMIT, &Unwatched).await.expect_err("somebody changed it");
    assert!(matches!(error, DeployError::NothingSent(_)), "{error:?}");
    let error = error.to_string();
    assert!(error.contains(&planned.last().expect("a service").application.id), "{error}");
    assert_eq!(changes(platform, environment, targets).await, planned, "nothing was touched");

    // There and back again.
    let tale = Tale::default();
    platform.deploy(&planned, LIMIT, &tale).await.expect("a deployment");
    assert_eq!(look(&planned).await, all(Standing::Target));
    for (service, _) in targets {
        let last = tale.last(service).unwrap_or_else(|| panic!("no progress of '{service}'"));
        assert_eq!((last.done, last.total > 0), (last.total, true), "{service}: {last:?}");
    }
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&planned).await, all(BEFORE));

    // Cut short as soon as anything is told, and taken back.
    let planned = changes(platform, environment, targets).await;
    let tale = Tale::default();
    tokio::select! {
        () = tale.has_begun() => {}
        done = platform.deploy(&planned, LIMIT, &tale) => done.expect("a deployment"),
    }
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("the way back");
    assert_eq!(look(&planned).await, all(BEFORE));

    // There, for good.
    let planned = changes(platform, environment, targets).await;
    platform.deploy(&planned, LIMIT, &Unwatched).await.expect("a deployment");
    assert_eq!(look(&planned).await, all(Standing::Target));
    platform.clean_up(&planned).await.expect("to settle");
    assert_eq!(look(&planned).await, all(Standing::Target));
}

/// A dry run of a domain that does not ask whether it may act: its writes are refused before they are sent.
pub async fn a_dry_run_cannot_write(url: &str, environment: &str, targets: &[(&str, &str)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = RunJournal::new(Some(folder.path().to_owned()), Began::default(), Consent::Withheld);
    let journal = Arc::new(journal);
    assert!(journal.begin().expect("a dry run begins").is_none());
    let http = http::client(&Trust::default()).expect("a client");
    let access = Access { ledger: Arc::<RunJournal>::clone(&journal), ..access(http, None, None) };
    let platform = connect(&url.into(), environment, access).await.expect("a platform");
    let planned = changes(&*platform, environment, targets).await;
    let error = platform.deploy(&planned, LIMIT, &Unwatched).await.expect_err("a refusal");
    assert!(matches!(error, DeployError::NothingSent(_)), "{error:?}");
    assert!(error.to_string().contains("this is a dry run, which writes nothing: '"), "{error}");
    platform.go_back(&planned, LIMIT, &Unwatched).await.expect("nothing to take back");
    assert_eq!(platform.look(&planned).await.expect("how they stand"), vec![BEFORE; targets.len()]);
    assert_eq!(changes(&*platform, environment, targets).await, planned, "nothing was touched");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing was written down");
}

/// Remembers what it was told.
#[derive(Default)]
pub struct Tale {
    told: Mutex<Vec<(String, Progress)>>,
    warnings: Mutex<Vec<String>>,
    begun: tokio::sync::Notify,
}

impl Tale {
    /// The last that was told of a subject.
    pub fn last(&self, subject: &str) -> Option<Progress> {
        let told = self.told.lock().expect("what was told");
        told.iter().rev().find(|(of, _)| of == subject).map(|(_, progress)| progress.clone())
    }

    /// What was warned of.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("the warnings").clone()
    }

    /// Waits until something is told.
    pub async fn has_begun(&self) {
        self.begun.notified().await;
    }
}

impl Watch for Tale {
    fn at(&self, subject: &str, progress: &Progress) {
        self.told.lock().expect("what was told").push((subject.to_owned(), progress.clone()));
        self.begun.notify_one();
    }

    fn warn(&self, message: &str) {
        self.warnings.lock().expect("the warnings").push(message.to_owned());
    }
}
