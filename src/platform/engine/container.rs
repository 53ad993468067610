//! A container as it was read, and what its name says about it.

use std::fmt;

use serde_json::Value;

use super::configuration::strings;
use crate::platform::image::WrittenImage;
use crate::platform::secrets::Secrets;

/// Between a name and what tells a rollback's containers from the others.
const ASIDE_RAN: &str = "-firebreak-old-";
const ASIDE_STOPPED: &str = "-firebreak-off-";
const PREPARED: &str = "-firebreak-new";

/// The label of a lock, with the run that holds it.
pub(super) const LOCK: &str = "firebreak.run";

/// The label by which compose says which project a container belongs to.
pub(super) const PROJECT: &str = "com.docker.compose.project";

/// What a container is for a rollback; its name says it, so that a later run can tell as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ContainerRole {
    /// It bears the name that people gave it.
    Standing,
    /// It was moved aside to make room, and kept for going back.
    Aside {
        /// It ran at that moment.
        ran: bool,
    },
    /// It was made to take the place of the one that stands, and was never started.
    Prepared,
}

/// A container.
#[derive(Clone)]
pub(super) struct Container {
    pub(super) id: String,
    /// The name that people gave it, whatever it is called now.
    pub(super) name: String,
    pub(super) place: ContainerRole,
    /// The image as the container was told.
    pub(super) image: WrittenImage,
    /// The id of that image.
    pub(super) image_id: String,
    /// Everything that the engine says about it.
    pub(super) inspect: Value,
}

/// Without the rest: what the engine says holds the container's environment.
impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Container {
    /// Reads what the engine says; none where that is not about a container.
    pub(super) fn new(inspect: Value) -> Option<Self> {
        let text = |pointer: &str| inspect.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let full = text("/Name")?;
        let (name, place) = place(full.trim_start_matches('/'));
        Some(Self {
            id: text("/Id")?,
            name: name.to_owned(),
            place,
            image: text("/Config/Image")?.into(),
            image_id: image_id(&text("/Image")?),
            inspect,
        })
    }

    /// Which service of `environment` it is, by its compose labels, or else by its name `<env>-<service>`. A number at
    /// the end of that is a replica's, unless the image bears it as well: `dev-oauth-2` with an image of `team/oauth-2`
    /// is the service `oauth-2`, with one of `team/oauth` the second `oauth`. A container of compose that ran once for a
    /// command is none, nor is a lock.
    pub(super) fn service(&self, environment: &str) -> Option<String> {
        if self.label(LOCK).is_some() || self.ran_once() {
            return None;
        }
        if let (Some(project), Some(service)) = (self.label(PROJECT), self.label("com.docker.compose.service")) {
            return (project == environment).then(|| service.to_owned());
        }
        let rest = self.name.strip_prefix(environment)?.strip_prefix('-')?;
        let repository = self.image.name().and_then(|image| image.repository().rsplit('/').next());
        let service = match rest.rsplit_once(['-', '_']) {
            Some((service, number)) if repository != Some(rest) && is_number(number) => service,
            _ => rest,
        };
        (!service.is_empty()).then(|| service.to_owned())
    }

    /// Whether compose started it for one command: `compose run`.
    pub(super) fn ran_once(&self) -> bool {
        self.label("com.docker.compose.oneoff").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The value of a label, where there is one.
    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.inspect["Config"]["Labels"][key].as_str().filter(|value| !value.is_empty())
    }

    /// What it is called now.
    pub(super) fn called(&self) -> &str {
        self.inspect["Name"].as_str().unwrap_or_default().trim_start_matches('/')
    }

    /// The same under another name.
    pub(super) fn renamed(&self, to: &str) -> Self {
        let (name, place) = place(to);
        let mut renamed = Self { name: name.to_owned(), place, ..self.clone() };
        renamed.inspect["Name"] = to.into();
        renamed
    }

    /// The values of its environment: what an engine says of it must not tell them.
    pub(super) fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        for variable in strings(&self.inspect["Config"]["Env"]) {
            secrets.add(variable.split_once('=').map_or("", |(_, value)| value));
        }
        secrets
    }

    /// The first twelve digits of its id, as engines abbreviate it.
    pub(super) fn short(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// What it is called while it is kept aside.
    pub(super) fn aside_name(&self) -> String {
        // One that the engine restarts again and again is to do so again.
        let ran = self.flag("Running") || self.flag("Restarting");
        let mark = if ran { ASIDE_RAN } else { ASIDE_STOPPED };
        format!("{}{mark}{}", self.name, self.short())
    }

    /// What the one is called that is to take its place.
    pub(super) fn prepared_name(&self) -> String {
        format!("{}{PREPARED}", self.name)
    }

    /// Its process is there.
    pub(super) fn runs(&self) -> bool {
        self.flag("Running") && !self.flag("Restarting")
    }

    /// Why it is not well; none where it runs and is healthy.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = &self.inspect["State"];
        if self.flag("Paused") {
            return Some("paused".into());
        }
        if self.flag("Restarting") {
            return Some("restarting again and again".into());
        }
        if !self.flag("Running") {
            return Some(match state["Status"].as_str() {
                Some("created" | "configured" | "initialized") => "not started".into(),
                _ => format!("ended with exit code {}", state["ExitCode"].as_i64().unwrap_or(-1)),
            });
        }
        match self.health() {
            Some("healthy") | None => None,
            Some("starting") => Some("running, not yet healthy".into()),
            Some(other) => Some(other.to_owned()),
        }
    }

    /// What its health check says, where it has one.
    pub(super) fn health(&self) -> Option<&str> {
        let test = self.inspect.pointer("/Config/Healthcheck/Test")?.as_array()?;
        if test.first().and_then(Value::as_str).is_none_or(|kind| kind == "NONE") {
            return None;
        }
        // Podman leaves it empty until the first check.
        let status = self.inspect.pointer("/State/Health/Status").and_then(Value::as_str);
        Some(status.filter(|status| !status.is_empty()).unwrap_or("starting"))
    }

    /// How often the engine has started it again by itself.
    pub(super) fn restarts(&self) -> i64 {
        self.inspect["RestartCount"].as_i64().unwrap_or(0)
    }

    fn flag(&self, name: &str) -> bool {
        self.inspect["State"][name].as_bool().unwrap_or(false)
    }
}

/// An image's id without its method: Podman's own API leaves that out.
pub(super) fn image_id(text: &str) -> String {
    text.trim_start_matches("sha256:").to_owned()
}

/// The name that people gave a container, and what it is now.
pub(super) fn place(name: &str) -> (&str, ContainerRole) {
    if let Some(name) = name.strip_suffix(PREPARED) {
        return (name, ContainerRole::Prepared);
    }
    for (mark, ran) in [(ASIDE_RAN, true), (ASIDE_STOPPED, false)] {
        if let Some((name, id)) = name.rsplit_once(mark)
            && id.len() == 12
            && id.chars().all(|digit| digit.is_ascii_hexdigit())
        {
            return (name, ContainerRole::Aside { ran });
        }
    }
    (name, ContainerRole::Standing)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit())
}

/// Whether a container in an engine's list may be of an environment: spares the look at each of the others.
pub(super) fn may_be_of(summary: &Value, environment: &str) -> bool {
    // On Docker the list has the aliases of links among the names, before the container's own or after it.
    let names = summary["Names"].as_array().into_iter().flatten().filter_map(Value::as_str);
    summary["Labels"][PROJECT] == environment
        || names.into_iter().any(|name| name.trim_start_matches('/').starts_with(environment))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn container(name: &str, state: &Value) -> Container {
        Container::new(json!({
            "Id": "0123456789abcdef", "Name": format!("/{name}"), "Image": "sha256:77",
            "Config": {"Image": "billing:1", "Healthcheck": {"Test": ["CMD", "/well"]}}, "State": state,
        }))
        .expect("a container")
    }

    /// The service of `dev` that a container is.
    fn service(name: &str, image: &str, labels: &Value) -> Option<String> {
        let mut container = container(name, &Value::Null);
        container.image = image.into();
        container.inspect["Config"]["Labels"] = labels.clone();
        container.service("dev")
    }

    #[test]
    fn the_environment_and_the_service_are_found() {
        let by_name = |name: &str| service(name, "r:5000/team/image:1", &json!({}));
        assert_eq!(by_name("dev-billing").as_deref(), Some("billing"));
        assert_eq!(by_name("dev-billing-2").as_deref(), Some("billing"));
        assert_eq!(by_name("dev-web-shop_12").as_deref(), Some("web-shop"));
        assert_eq!(by_name("dev-billing-2-firebreak-old-0123456789ab").as_deref(), Some("billing"));
        assert_eq!(by_name("dev-billing-firebreak-new").as_deref(), Some("billing"));
        for other in ["stage-billing", "develop-billing", "dev", "dev-", "xdev-billing"] {
            assert_eq!(by_name(other), None, "{other}");
        }
        let labels = |project: &str, oneoff: &str| json!({"com.docker.compose.project": project, "com.docker.compose.service": "billing", "com.docker.compose.oneoff": oneoff});
        let by_label = |name: &str, labels: &Value| service(name, "billing:1", labels);
        assert_eq!(by_label("anything", &labels("dev", "False")).as_deref(), Some("billing"));
        assert_eq!(by_label("dev-billing", &labels("stage", "False")), None, "labels outrank the name");
        assert_eq!(by_label("anything", &labels("dev", "True")), None);
    }

    #[test]
    fn a_number_that_the_image_bears_is_no_replica() {
        let by_image = |name: &str, image: &str| service(name, image, &json!({}));
        assert_eq!(by_image("dev-oauth-2", "r:5000/team/oauth-2:1").as_deref(), Some("oauth-2"));
        assert_eq!(by_image("dev-oauth-2-1", "r:5000/team/oauth-2:1").as_deref(), Some("oauth-2"));
        assert_eq!(by_image("dev-oauth-2", "r:5000/team/oauth:1").as_deref(), Some("oauth"));
        assert_eq!(by_image("dev-oauth-2-firebreak-new", "oauth-2@sha256:0").as_deref(), Some("oauth"), "no image");
        assert_eq!(by_image("dev-oauth-2-firebreak-new", "oauth-2:1").as_deref(), Some("oauth-2"));
    }

    #[test]
    fn none_of_an_environment_is_overlooked_in_the_list() {
        let may = |summary: Value| may_be_of(&summary, "dev");
        assert!(may(json!({"Names": ["/dev-web"], "Labels": {}})));
        assert!(may(json!({"Names": ["/proxy/web", "/dev-web"], "Labels": null})), "the first is the alias of a link");
        assert!(may(json!({"Names": ["/anything"], "Labels": {"com.docker.compose.project": "dev"}})));
        assert!(!may(json!({"Names": ["/stage-web"], "Labels": {"com.docker.compose.project": "stage"}})));
    }

    #[test]
    fn its_environment_is_not_shown() {
        let mut container = container("dev-web", &json!({"Running": true}));
        container.inspect["Config"]["Env"] = json!(["PASSWORD=s3cret"]);
        let expected = "Container { id: \"0123456789abcdef\", name: \"dev-web\", place: Standing, .. }";
        assert_eq!(format!("{container:?}"), expected);
    }

    #[test]
    fn its_state_is_told_in_words() {
        let trouble = |state: Value| container("dev-billing", &state).trouble();
        assert_eq!(trouble(json!({"Running": true, "Health": {"Status": "healthy"}})), None);
        assert_eq!(trouble(json!({"Running": true, "Health": {"Status": "unhealthy"}})).as_deref(), Some("unhealthy"));
        assert_eq!(
            trouble(json!({"Running": true, "Health": {"Status": "starting"}})).as_deref(),
            Some("running, not yet healthy")
        );
        assert_eq!(trouble(json!({"Running": true, "Paused": true})).as_deref(), Some("paused"));
        assert_eq!(
            trouble(json!({"Running": true, "Restarting": true})).as_deref(),
            Some("restarting again and again")
        );
        assert_eq!(trouble(json!({"Status": "created"})).as_deref(), Some("not started"));
        assert_eq!(trouble(json!({"Status": "exited", "ExitCode": 3})).as_deref(), Some("ended with exit code 3"));
    }

    proptest! {
        #[test]
        fn a_name_aside_leads_back_to_the_name(name in "[a-z][a-z0-9_-]{0,20}", runs: bool) {
            let found = container(&name, &json!({"Running": runs}));
            prop_assume!(found.place == ContainerRole::Standing);
            let (aside, prepared) = (found.aside_name(), found.prepared_name());
            prop_assert_eq!(place(&aside), (name.as_str(), ContainerRole::Aside { ran: runs }));
            prop_assert_eq!(place(&prepared), (name.as_str(), ContainerRole::Prepared));
        }
    }
}
