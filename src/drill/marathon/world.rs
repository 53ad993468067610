//! All applications and running deployments: how a change begins, moves on, is reverted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{SubsecRound as _, TimeDelta, Utc};
use serde_json::{Value, json};

use super::app::{App, Fate, Stamp, Version, written};
use super::definition::{Definition, Update};
use super::deployment::{Action, Deployment, Held};
use super::refusal::Refusal;
use crate::drill::faults::{Fault, Faults, is_of};
use crate::drill::registry::digest;

/// How many deployments may run at once.
const DEPLOYMENTS: usize = 100;

/// What a change began.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) id: String,
    pub(super) version: Stamp,
    pub(super) created: bool,
}

/// How updates are to be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) partial: bool,
    pub(super) force: bool,
    /// Whether an unknown id makes an application.
    pub(super) create: bool,
}

/// Something that happened, for the event stream.
pub(super) type Event = (&'static str, Value);

#[derive(Debug)]
pub(super) struct World {
    apps: BTreeMap<String, App>,
    deployments: Vec<Deployment>,
    /// The definitions of pods: they run, and nothing is done with them.
    pub(super) pods: Vec<Value>,
    faults: Faults,
    last: Stamp,
    made: u64,
    events: tokio::sync::broadcast::Sender<Event>,
}

impl World {
    pub(super) fn new(faults: &Faults) -> Self {
        let (events, _) = tokio::sync::broadcast::channel(256);
        let (apps, deployments) = (BTreeMap::new(), Vec::new());
        Self { apps, deployments, pods: Vec::new(), faults: faults.clone(), last: Stamp::default(), made: 0, events }
    }

    pub(super) fn events(&self) -> tokio::sync::broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Puts an application there that runs as it was set at a moment, and before that ran other images.
    pub(super) fn place(&mut self, app: &Value, at: Stamp, past: &[(Stamp, String)]) -> Result<(), Refusal> {
        let update = Update::read(app, None)?;
        let definition = update.merge(None, false)?;
        self.last = self.last.max(at);
        let mut app = App::new(&update.id, Version { at, configured: at, definition });
        app.remember(past);
        app.advance();
        self.apps.insert(update.id, app);
        Ok(())
    }

    /// Now, and later than ever before: a version is the name of one state.
    fn stamp(&mut self) -> Stamp {
        let now = Utc::now().trunc_subsecs(3);
        self.last = now.max(self.last + TimeDelta::milliseconds(1));
        self.last
    }

    fn name(&mut self) -> String {
        self.made += 1;
        let hex = digest(format!("{} {}", self.last, self.made).as_bytes());
        let hex = hex.trim_start_matches("sha256:");
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
    }

    pub(super) fn app(&self, id: &str) -> Option<&App> {
        self.apps.get(id)
    }

    pub(super) fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    /// An application as it is read.
    pub(super) fn read(&self, app: &App, with_tasks: bool) -> Value {
        let holding = self.deployments.iter().filter(|deployment| deployment.affects(&app.id));
        app.json(&holding.map(|deployment| deployment.id.clone()).collect::<Vec<_>>(), with_tasks)
    }

    /// After a request read these applications: somebody else changes those of them that a fault names, if this was
    /// the last read before that.
    pub(super) fn was_read(&mut self, ids: &[String]) {
        let change = |fault: &Fault| match fault {
            Fault::Change { service, reads } if ids.iter().any(|id| is_of(service, id)) => {
                Some((service.clone(), *reads))
            }
            _ => None,
        };
        let Some((service, 1)) = self.faults.spend(change) else { return };
        for id in ids.iter().filter(|id| is_of(&service, id)) {
            let at = self.stamp();
            let Some(app) = self.apps.get_mut(id) else { continue };
            let mut definition = app.current().definition.clone();
            definition.insert("labels".into(), json!({"changed-by": "somebody else"}));
            app.set_silently(definition, at);
        }
    }

    pub(super) fn deployments(&self) -> Value {
        self.deployments.iter().map(Deployment::json).collect()
    }

    /// Takes updates as one deployment: all of them or none.
    pub(super) fn update(&mut self, updates: &[Update], manner: Manner) -> Result<Begun, Refusal> {
        let mut targets: BTreeMap<String, Option<Definition>> = BTreeMap::new();
        let mut created = false;
        for update in updates {
            let app = self.apps.get(&update.id);
            created |= app.is_none();
            if app.is_none() && (!manner.create || update.version.is_some()) {
                return Err(Refusal::no_app(&update.id, update.version.as_deref()));
            }
            let definition = if let (Some(version), Some(app)) = (&update.version, app) {
                let found = app.version(version).ok_or_else(|| Refusal::no_app(&app.id, Some(version)))?;
                found.definition.clone()
            } else {
                let earlier = targets.get(&update.id).and_then(Option::as_ref);
                let old = earlier.or_else(|| app.map(|app| &app.current().definition));
                update.merge(old, manner.partial)?
            };
            targets.insert(update.id.clone(), Some(definition));
        }
        let mut begun = self.begin(targets, manner.force, false)?;
        begun.created = created;
        Ok(begun)
    }

    /// Stops applications and forgets them.
    pub(super) fn delete(&mut self, id: &str, force: bool) -> Result<Begun, Refusal> {
        if !self.apps.contains_key(id) {
            return Err(Refusal::no_app(id, None));
        }
        self.begin(BTreeMap::from([(id.to_owned(), None)]), force, false)
    }

    /// Starts the deployment that brings applications to their targets (None: away).
    fn begin(
        &mut self,
        mut targets: BTreeMap<String, Option<Definition>>,
        force: bool,
        reverts: bool,
    ) -> Result<Begun, Refusal> {
        targets.retain(|id, target| self.apps.get(id).map(|app| &app.current().definition) != target.as_ref());
        let layers = self.layers(&targets)?;
        if !reverts {
            self.refuse_as_ordered(&targets)?;
        }
        let conflicts: Vec<String> = self
            .deployments
            .iter()
            .filter(|deployment| targets.keys().any(|id| deployment.affects(id)))
            .map(|deployment| deployment.id.clone())
            .collect();
        if !conflicts.is_empty() && !force {
            return Err(Refusal::locked(&conflicts));
        }
        if self.deployments.len() >= DEPLOYMENTS && !force {
            return Err(Refusal::too_many(DEPLOYMENTS));
        }
        self.deployments.retain(|deployment| !conflicts.contains(&deployment.id));
        let version = self.stamp();
        let id = self.name();
        let mut before = BTreeMap::new();
        let mut actions = BTreeMap::new();
        for (app, target) in targets {
            let old = self.apps.get(&app).map(|app| app.current().definition.clone());
            actions.insert(app.clone(), self.put(&app, target, version));
            before.insert(app, old);
        }
        let mut steps: Vec<Vec<(Action, String)>> = layers
            .into_iter()
            .map(|layer| layer.into_iter().filter_map(|app| Some((*actions.get(&app)?, app))).collect())
            .collect();
        steps.retain(|step| !step.is_empty());
        // One that changes nothing is over before it began.
        if !steps.is_empty() {
            let hang = |fault: &Fault| matches!(fault, Fault::Hang { .. }).then_some(Held::Hangs);
            let held = if reverts { Held::Free } else { self.faults.spend(hang).unwrap_or(Held::Free) };
            let deployment = Deployment { id: id.clone(), version, steps, current: 0, before, held };
            self.tell("deployment_info", json!({"plan": {"id": id}, "currentStep": deployment.json()["steps"][0]}));
            self.deployments.push(deployment);
        }
        Ok(Begun { id, version, created: false })
    }

    /// Puts a target into force and says what that asks for.
    fn put(&mut self, id: &str, target: Option<Definition>, at: Stamp) -> Action {
        match (self.apps.get_mut(id), target) {
            (Some(app), Some(target)) => {
                let configured = app.current().configured;
                app.set(target, at);
                if app.current().configured == configured { Action::Scale } else { Action::Restart }
            }
            (None, Some(target)) => {
                let version = Version { at, configured: at, definition: target };
                self.apps.insert(id.to_owned(), App::new(id, version));
                Action::Start
            }
            (_, None) => Action::Stop,
        }
    }

    /// The applications in the order of their dependencies, each layer resting on those before it.
    fn layers(&self, targets: &BTreeMap<String, Option<Definition>>) -> Result<Vec<Vec<String>>, Refusal> {
        let mut rests: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for id in self.apps.keys().chain(targets.keys()) {
            let definition = match targets.get(id) {
                Some(target) => target.as_ref(),
                None => self.apps.get(id).map(|app| &app.current().definition),
            };
            let names = definition.and_then(|definition| definition.get("dependencies")).and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(Value::as_str);
            let under = |name: &str, other: &str| other == name || other.starts_with(&format!("{name}/"));
            let all = || self.apps.keys().chain(targets.keys());
            let on = names.flat_map(|name| all().filter(move |other| under(name, other)).cloned()).collect();
            rests.insert(id, on);
        }
        let mut layers = Vec::new();
        let mut placed: BTreeSet<&str> = BTreeSet::new();
        while placed.len() < rests.len() {
            let ready: Vec<&str> = rests
                .iter()
                .filter(|(id, on)| !placed.contains(*id) && on.iter().all(|other| placed.contains(other.as_str())))
                .map(|(id, _)| *id)
                .collect();
            if ready.is_empty() {
                return Err(Refusal::invalid("/", "Dependency graph has cyclic dependencies."));
            }
            placed.extend(&ready);
            layers.push(ready.into_iter().map(str::to_owned).collect());
        }
        Ok(layers)
    }

    /// Ordered faults that meet a change: a refusal, or somebody else's deployment that appears just now.
    fn refuse_as_ordered(&mut self, targets: &BTreeMap<String, Option<Definition>>) -> Result<(), Refusal> {
        let meets = |service: &str| targets.keys().find(|id| is_of(service, id)).cloned();
        let refuse = |fault: &Fault| match fault {
            Fault::Refuse { service, .. } => meets(service),
            _ => None,
        };
        if self.faults.find(refuse).is_some() {
            return Err(Refusal::invalid("/container/docker/image", "is refused, as ordered"));
        }
        let lock = |fault: &Fault| match fault {
            Fault::Lock { service, milliseconds } => meets(service).map(|id| (id, *milliseconds)),
            _ => None,
        };
        while let Some((app, milliseconds)) = self.faults.spend(lock) {
            let until = milliseconds.map(|time| Instant::now() + Duration::from_millis(time));
            let version = self.stamp();
            let id = self.name();
            let steps = vec![vec![(Action::Scale, app)]];
            let held = Held::Foreign(until);
            self.deployments.push(Deployment { id, version, steps, current: 0, before: BTreeMap::new(), held });
        }
        Ok(())
    }

    /// Cancels a deployment and begins the one that takes it back.
    pub(super) fn revert(&mut self, id: &str) -> Result<Begun, Refusal> {
        let cancelled = self.cancel(id)?;
        let mut targets = BTreeMap::new();
        for (app, before) in cancelled.before {
            // What was changed again since is not touched.
            if self.apps.get(&app).is_none_or(|app| app.current().at == cancelled.version) {
                targets.insert(app, before);
            }
        }
        for (id, target) in &mut targets {
            let lost = |fault: &Fault| match fault {
                Fault::RevertToZero { service } => is_of(service, id).then_some(()),
                _ => None,
            };
            if let Some(definition) = target
                && self.faults.find(lost).is_some()
            {
                definition.insert("instances".into(), json!(0));
            }
        }
        self.begin(targets, true, true)
    }

    /// Cancels a deployment and leaves everything as it stands.
    pub(super) fn abandon(&mut self, id: &str) -> Result<(), Refusal> {
        self.cancel(id).map(|_| ())
    }

    fn cancel(&mut self, id: &str) -> Result<Deployment, Refusal> {
        let found = self.deployments.iter().position(|deployment| deployment.id == id);
        let index = found.ok_or_else(|| Refusal::no_deployment(id))?;
        let cancelled = self.deployments.remove(index);
        self.tell("deployment_failed", json!({ "id": id }));
        Ok(cancelled)
    }

    /// Moves every deployment on by one small step.
    pub(super) fn tick(&mut self, now: Instant, pullable: &dyn Fn(&str) -> bool) {
        let mut finished = Vec::new();
        for deployment in &mut self.deployments {
            match deployment.held {
                Held::Foreign(until) if until.is_some_and(|until| now >= until) => finished.push(deployment.id.clone()),
                Held::Hangs | Held::Foreign(_) => {}
                Held::Free => {
                    let step = deployment.steps.get(deployment.current).into_iter().flatten();
                    let mut is_done = true;
                    for (action, id) in step {
                        is_done &= advance(&mut self.apps, &self.faults, *action, id, pullable);
                    }
                    deployment.current += usize::from(is_done);
                    if deployment.current == deployment.steps.len() {
                        finished.push(deployment.id.clone());
                    }
                }
            }
        }
        self.deployments.retain(|deployment| !finished.contains(&deployment.id));
        for id in finished {
            self.tell("deployment_success", json!({ "id": id }));
        }
    }

    fn tell(&self, name: &'static str, mut data: Value) {
        data["eventType"] = json!(name);
        data["timestamp"] = json!(written(Utc::now()));
        // Nobody may be listening.
        let _ = self.events.send((name, data));
    }
}

/// One small step of one application. True when it is where it is to be.
fn advance(
    apps: &mut BTreeMap<String, App>,
    faults: &Faults,
    action: Action,
    id: &str,
    pullable: &dyn Fn(&str) -> bool,
) -> bool {
    let Some(app) = apps.get_mut(id) else { return true };
    if action == Action::Stop {
        if app.instances.pop().is_none() {
            apps.remove(id);
        }
        return false;
    }
    let is_first = app.image() == app.first_image.as_deref();
    let sick = |fault: &Fault| match fault {
        Fault::Unhealthy { service } => is_of(service, id) && !is_first,
        _ => false,
    };
    let fate = Fate { pullable: app.image().is_none_or(pullable), healthy: !faults.any(sick) };
    app.step(fate)
}
