//! What can go wrong with a registry, told so that somebody can act on it.

use reqwest::StatusCode;

use crate::http::retry::NoAnswer;

/// Why a registry could not be read. None of the texts holds a password, a token or a URL's user part.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The address of the registry cannot be used.
    #[error("'{address}' is not the address of a registry: {why}; write it as https://host[:port][/prefix]")]
    Address {
        /// As it was given, without credentials.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// What was given cannot be the name of a repository.
    #[error("'{name}' is not the name of a repository; write it as team/billing, without registry and tag")]
    Repository {
        /// As it was given.
        name: String,
    },
    /// The registry does not know the repository.
    #[error("registry {registry} has no repository '{repository}'")]
    NoSuchRepository {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
    },
    /// The registry does not show the repository, and would ask for a user.
    #[error(
        "registry {registry} shows no repository '{repository}' to whom it does not know: it wants a user and a \
         password, and none were given"
    )]
    Hidden {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
    },
    /// The repository is there and holds no image.
    #[error("repository '{repository}' of registry {registry} is empty: it has no tags")]
    Empty {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
    },
    /// The user and password that were given are refused.
    #[error("{server} refuses the user and password that were given for registry {registry}{}", quoted(.said.as_deref()))]
    WrongCredentials {
        /// The registry.
        registry: String,
        /// Who refused: the registry itself, or the server that it sends its clients to for a token.
        server: String,
        /// What that server says about it.
        said: Option<String>,
    },
    /// A user and password are needed.
    #[error("registry {registry} wants a user and a password, and none were given{}", quoted(.said.as_deref()))]
    NoCredentials {
        /// The registry.
        registry: String,
        /// What it, or its server of tokens, says about it.
        said: Option<String>,
    },
    /// The user may not read the repository; some registries say the same of one that is not there.
    #[error("registry {registry} does not let us read repository '{repository}': {said}")]
    Denied {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// What the registry says about it, or what may be the cause.
        said: String,
    },
    /// The registry wants a kind of authentication that cannot be given, or not safely.
    #[error("registry {registry} asks for authentication that we do not give: {why}")]
    Authentication {
        /// The registry.
        registry: String,
        /// What it asks for.
        why: String,
    },
    /// No answer.
    #[error("failed to {task}: {why}")]
    NoAnswer {
        /// What was tried.
        task: String,
        /// Why there is none.
        why: NoAnswer,
    },
    /// The registry is still busy after all tries.
    #[error(
        "failed to {task}: the registry is busy ({status}){}{}",
        rest.map_or_else(String::new, |rest| format!(" and asks to come back in {rest} s")),
        quoted(.said.as_deref())
    )]
    Busy {
        /// What was tried.
        task: String,
        /// 429, or 503.
        status: StatusCode,
        /// The rest that it asks for, in seconds.
        rest: Option<u64>,
        /// What it says about it.
        said: Option<String>,
    },
    /// An answer that does not belong here.
    #[error("failed to {task}: the registry answers {status}{}", quoted(.said.as_deref()))]
    Status {
        /// What was tried.
        task: String,
        /// The answer.
        status: StatusCode,
        /// What the registry says about it.
        said: Option<String>,
    },
    /// Another place was named instead of an answer.
    #[error("failed to {task}: the registry sends us on to {to}{why}")]
    Redirect {
        /// What was tried.
        task: String,
        /// The place.
        to: String,
        /// Why that is the end.
        why: String,
    },
    /// A page for people came, where JSON was asked for.
    #[error(
        "failed to {task}: a web page (HTML) came from {from}, not JSON: is that a registry, and does a proxy or a login \
         stand before it?"
    )]
    WebPage {
        /// What was tried.
        task: String,
        /// Where the page came from.
        from: String,
    },
    /// What came is not what its digest says. Either the registry lies, or somebody in between does.
    #[error("failed to {task}: what came has the digest {found}, not {expected}; do not trust this registry")]
    WrongDigest {
        /// What was tried.
        task: String,
        /// The digest that was asked for, or that the registry gave with it.
        expected: String,
        /// The digest that it really has.
        found: String,
    },
    /// The list of tags leads nowhere.
    #[error("failed to list the tags of repository '{repository}' of registry {registry}: {why}")]
    Paging {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// What is wrong with its pages.
        why: String,
    },
    /// An answer that cannot be understood.
    #[error("failed to {task}: the answer cannot be understood: {why}")]
    Unreadable {
        /// What was tried.
        task: String,
        /// What is wrong with it.
        why: String,
    },
}

fn quoted(said: Option<&str>) -> String {
    said.map_or_else(String::new, |said| format!(" ({said})"))
}
