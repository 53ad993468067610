//! What a person types to set a service back to its old containers.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::container::{Container, ContainerRole};
use super::own::OwnWrites;
use super::{Engine, Service};
use crate::platform::{Change, quoted};

/// Where each engine listens unless it is told otherwise: there its program needs no word of it.
const USUAL: [&str; 3] =
    ["podman+unix:///run/podman/podman.sock", "docker+unix:///var/run/docker.sock", "docker+unix:///run/docker.sock"];

/// The commands, one line for each container that is not as before, from how things stood at the last look.
pub(super) fn by_hand(engine: &Engine, change: &Change) -> String {
    let program = program(&engine.client.address);
    let ids = change.application.revision.split('+');
    match engine.seen(&change.application.id) {
        Some(service) => lines(&program, &service, ids, change.to.as_str(), &engine.own),
        None => ids.fold(String::new(), |mut text, id| {
            let _ = write!(text, "{}{program} inspect {}", separator(&text), short(id));
            text
        }),
    }
}

/// The commands that show what the containers say, one line for each, from how things stood at the last look.
pub(super) fn look_into(engine: &Engine, change: &Change) -> String {
    let program = program(&engine.client.address);
    let names: Vec<String> = match engine.seen(&change.application.id) {
        Some(service) => service.current().iter().map(|one| one.called().to_owned()).collect(),
        None => change.application.revision.split('+').map(str::to_owned).collect(),
    };
    let lines = names.iter().map(|name| format!("{program} logs --tail=50 {}", quoted(name)));
    lines.collect::<Vec<_>>().join("\n")
}

fn lines<'a>(
    program: &str,
    service: &Service,
    before: impl Iterator<Item = &'a str>,
    target: &str,
    own: &OwnWrites,
) -> String {
    let mut text = String::new();
    for id in before {
        let Some(old) = service.0.iter().find(|one| one.id == id) else {
            let _ = write!(text, "{}# the old container {} is gone", separator(&text), short(id));
            continue;
        };
        let stands =
            |one: &&Container| one.name == old.name && one.place == ContainerRole::Standing && one.id != old.id;
        let mut steps = Vec::new();
        if let ContainerRole::Aside { ran } = old.place {
            let name = quoted(&old.name);
            if let Some(new) = service.0.iter().find(stands) {
                steps.push(format!("stop {name}"));
                // What somebody else put there is kept.
                let is_ours = own.made(&new.id) || new.image == target;
                steps.push(if is_ours { format!("rm {name}") } else { format!("rename {name} {name}-replaced") });
            }
            steps.push(format!("rename {} {name}", quoted(old.called())));
            if ran {
                steps.push(format!("start {name}"));
            }
        } else if !old.runs() {
            steps.push(format!("start {}", quoted(old.called())));
        }
        let prepared = |one: &&Container| one.name == old.name && one.place == ContainerRole::Prepared;
        steps.extend(service.0.iter().find(prepared).map(|one| format!("rm {}", quoted(one.called()))));
        if !steps.is_empty() {
            let steps: Vec<_> = steps.iter().map(|step| format!("{program} {step}")).collect();
            let _ = write!(text, "{}{}", separator(&text), steps.join(" && "));
        }
    }
    text
}

fn separator(text: &str) -> &'static str {
    if text.is_empty() { "" } else { "\n" }
}

fn short(id: &str) -> Cow<'_, str> {
    quoted(id.get(..12).unwrap_or(id))
}

/// `podman` or `docker`, with the socket where it is not the usual one.
fn program(address: &str) -> String {
    let (program, url) = address.split_once('+').unwrap_or(("podman", address));
    if USUAL.contains(&address) {
        return program.to_owned();
    }
    let option = if program == "docker" { "--host" } else { "--url" };
    format!("{program} {option} {}", quoted(url))
}
