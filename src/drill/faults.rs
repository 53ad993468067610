//! What can be ordered to go wrong in a drill, as data and as text: `unhealthy=billing`, `registry-429=3`, `hang`.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// One thing that goes wrong. A service is named by the last parts of its application's id: `billing` in any
/// environment, `prod/shop/billing` (on Kubernetes: `prod/billing`) in that one alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No instance of the service gets healthy with another image than the one it ran when the drill began.
    Unhealthy {
        /// The service.
        service: String,
    },
    /// The next deployments (Kubernetes: roll-outs of another template) never end by themselves; a Kubernetes Deployment
    /// says so after its deadline. Those that take one back are not counted and end.
    Hang {
        /// How many.
        deployments: u64,
    },
    /// Every change of the service is refused with 422; on Kubernetes by an admission webhook.
    Refuse {
        /// The service.
        service: String,
        /// With 400 and no reason, as a webhook of Kubernetes does that gives no status of its own.
        is_bare: bool,
    },
    /// Somebody else's deployment holds the service (409) from the first write to it on. On Kubernetes somebody else has
    /// the first Lease that is written in its namespace.
    Lock {
        /// The service.
        service: String,
        /// How long it is held; without end where there is none.
        milliseconds: Option<u64>,
    },
    /// Somebody changes the service's application right after it was read so many times.
    Change {
        /// The service.
        service: String,
        /// Reads that still show the application unchanged.
        reads: u64,
    },
    /// The next writes are carried out, and the connection is closed without an answer.
    LoseReply {
        /// How many.
        writes: u64,
    },
    /// The connection is closed before the next writes are carried out.
    Reset {
        /// How many.
        writes: u64,
    },
    /// The platform carries the next write out and goes away before it answers: it becomes [`Gone`](Self::Gone).
    GoneAtWrite,
    /// The platform is gone: every request to it is cut off.
    Gone,
    /// A revert of a deployment of the service ends at 0 instances. Marathon alone has such reverts.
    RevertToZero {
        /// The service.
        service: String,
    },
    /// The account may read and not write: every write is 403.
    Forbid,
    /// A quota lets no new pod of the service be made. Kubernetes alone has them.
    Quota {
        /// The service.
        service: String,
    },
    /// A webhook adds its digest to every image on the way in. Kubernetes alone has them.
    Digests,
    /// The registry answers the next requests with 429 and `Retry-After`.
    TooMany {
        /// How many.
        requests: u64,
        /// What `Retry-After` says, in seconds.
        seconds: u64,
    },
    /// The registry answers the next requests with 503.
    Unavailable {
        /// How many.
        requests: u64,
    },
    /// The bank answers the next requests with 503.
    BankUnavailable {
        /// How many.
        requests: u64,
    },
    /// The registry serves manifests and blobs whose bytes do not match their digest.
    Lie,
    /// The registry's pages of tags lead back to the first one.
    Loop,
    /// Every request to any server of the drill takes so much longer.
    Latency {
        /// How much, in milliseconds.
        milliseconds: u64,
    },
    /// Slack answers 500.
    Slack,
}

/// Every fault's text form with what it does: for help texts and error messages.
pub const FORMS: [(&str, &str); 20] = [
    ("unhealthy=<service>", "its new instances never get healthy"),
    ("hang[=<n>]", "the next n deployments never end by themselves"),
    ("refuse=<service>[:400]", "every change of it is refused (422; on kubernetes also 400)"),
    ("lock=<service>[:<ms>]", "a deployment of others holds it (409), for so long or for ever"),
    ("change=<service>[:<n>]", "others change it after its nth read"),
    ("lose-reply[=<n>]", "the next n writes are carried out and not answered"),
    ("reset[=<n>]", "the next n writes are cut off before they are carried out"),
    ("gone-at-write", "the platform goes away at the next write"),
    ("gone", "the platform is gone: every request is cut off"),
    ("revert-to-zero=<service>", "a revert leaves it with 0 instances (marathon alone)"),
    ("forbid", "the account may read and not write (403)"),
    ("quota=<service>", "no new pod of it can be made (kubernetes alone)"),
    ("digests", "a webhook adds its digest to every image (kubernetes alone)"),
    ("registry-429[=<n>[:<s>]]", "the registry answers 429 n times, Retry-After s (default 1)"),
    ("registry-503[=<n>]", "the registry answers 503 n times"),
    ("bank-503[=<n>]", "the bank answers 503 n times"),
    ("registry-lies", "the registry's bytes do not match their digests"),
    ("registry-loops", "the registry's pages of tags never end"),
    ("latency=<ms>", "every request takes so much longer"),
    ("slack-fails", "the webhook answers 500"),
];

/// A text that orders no fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{text}' is no fault that can be ordered; these are: {}", forms())]
pub struct UnknownFault {
    /// The text.
    pub text: String,
}

fn forms() -> String {
    FORMS.map(|(form, _)| form).join(", ")
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        parse(text).ok_or_else(|| UnknownFault { text: text.to_owned() })
    }
}

/// Reads `name[=argument[:number]]`.
fn parse(text: &str) -> Option<Fault> {
    let (name, argument) = text.split_once('=').map_or((text, None), |(name, argument)| (name, Some(argument)));
    let (first, second) = match argument {
        None => (None, None),
        Some(argument) => argument.split_once(':').map_or((Some(argument), None), |(a, b)| (Some(a), Some(b))),
    };
    let service = || first.filter(|name| is_service(name)).map(str::to_owned);
    let number = |text: Option<&str>, default: Option<u64>| text.map_or(default, |text| text.parse().ok());
    let alone = |fault| argument.is_none().then_some(fault);
    let short = || second.is_none();
    match name {
        "unhealthy" if short() => Some(Fault::Unhealthy { service: service()? }),
        "hang" if short() => Some(Fault::Hang { deployments: number(first, Some(1))? }),
        "refuse" if second.is_none_or(|status| status == "400") => {
            Some(Fault::Refuse { service: service()?, is_bare: second.is_some() })
        }
        "lock" => {
            let milliseconds = second.map(str::parse).transpose().ok()?;
            Some(Fault::Lock { service: service()?, milliseconds })
        }
        "change" => Some(Fault::Change { service: service()?, reads: number(second, Some(1))? }),
        "lose-reply" if short() => Some(Fault::LoseReply { writes: number(first, Some(1))? }),
        "reset" if short() => Some(Fault::Reset { writes: number(first, Some(1))? }),
        "gone-at-write" => alone(Fault::GoneAtWrite),
        "gone" => alone(Fault::Gone),
        "revert-to-zero" if short() => Some(Fault::RevertToZero { service: service()? }),
        "forbid" => alone(Fault::Forbid),
        "quota" if short() => Some(Fault::Quota { service: service()? }),
        "digests" => alone(Fault::Digests),
        "registry-429" => Some(Fault::TooMany { requests: number(first, Some(1))?, seconds: number(second, Some(1))? }),
        "registry-503" if short() => Some(Fault::Unavailable { requests: number(first, Some(1))? }),
        "bank-503" if short() => Some(Fault::BankUnavailable { requests: number(first, Some(1))? }),
        "registry-lies" => alone(Fault::Lie),
        "registry-loops" => alone(Fault::Loop),
        "latency" if short() => Some(Fault::Latency { milliseconds: number(first, None)? }),
        "slack-fails" => alone(Fault::Slack),
        _ => None,
    }
}

/// The names that a service can have in a fault: the last parts of an application's id, `billing` or `prod/shop/billing`.
fn is_service(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
    };
    name.split('/').all(is_part)
}

/// Whether an application's id ends with the name of a service, in whole parts.
pub(super) fn is_of(service: &str, id: &str) -> bool {
    id.strip_suffix(service).is_some_and(|rest| rest.ends_with('/'))
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unhealthy { service } => write!(formatter, "unhealthy={service}"),
            Self::Hang { deployments } => write!(formatter, "hang={deployments}"),
            Self::Refuse { service, is_bare: false } => write!(formatter, "refuse={service}"),
            Self::Refuse { service, is_bare: true } => write!(formatter, "refuse={service}:400"),
            Self::Lock { service, milliseconds: None } => write!(formatter, "lock={service}"),
            Self::Lock { service, milliseconds: Some(time) } => write!(formatter, "lock={service}:{time}"),
            Self::Change { service, reads } => write!(formatter, "change={service}:{reads}"),
            Self::LoseReply { writes } => write!(formatter, "lose-reply={writes}"),
            Self::Reset { writes } => write!(formatter, "reset={writes}"),
            Self::GoneAtWrite => formatter.write_str("gone-at-write"),
            Self::Gone => formatter.write_str("gone"),
            Self::RevertToZero { service } => write!(formatter, "revert-to-zero={service}"),
            Self::Forbid => formatter.write_str("forbid"),
            Self::Quota { service } => write!(formatter, "quota={service}"),
            Self::Digests => formatter.write_str("digests"),
            Self::TooMany { requests, seconds } => write!(formatter, "registry-429={requests}:{seconds}"),
            Self::Unavailable { requests } => write!(formatter, "registry-503={requests}"),
            Self::BankUnavailable { requests } => write!(formatter, "bank-503={requests}"),
            Self::Lie => formatter.write_str("registry-lies"),
            Self::Loop => formatter.write_str("registry-loops"),
            Self::Latency { milliseconds } => write!(formatter, "latency={milliseconds}"),
            Self::Slack => formatter.write_str("slack-fails"),
        }
    }
}

impl Fault {
    /// The counter of a fault that wears off.
    fn left(&mut self) -> Option<&mut u64> {
        match self {
            Self::Hang { deployments: left }
            | Self::Change { reads: left, .. }
            | Self::LoseReply { writes: left }
            | Self::Reset { writes: left }
            | Self::TooMany { requests: left, .. }
            | Self::Unavailable { requests: left }
            | Self::BankUnavailable { requests: left } => Some(left),
            _ => None,
        }
    }
}

/// The faults that are in force, shared by all servers of a drill.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// Puts a fault into force.
    pub fn order(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// Takes all faults back.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The faults that are in force, as ordered, with what is left of those that wear off.
    #[must_use]
    pub fn all(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// The first value that `pick` finds in a fault that is in force.
    pub(super) fn find<T>(&self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.lock().iter().find_map(pick)
    }

    /// Whether a fault that `which` knows is in force.
    pub(super) fn any(&self, which: impl Fn(&Fault) -> bool) -> bool {
        self.lock().iter().any(which)
    }

    /// Like [`find`](Self::find), and wears the fault off by one: it is gone with its last time.
    pub(super) fn spend<T>(&self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut faults = self.lock();
        faults.retain_mut(|fault| fault.left().is_none_or(|left| *left > 0));
        let (index, value) = faults.iter().enumerate().find_map(|(index, fault)| Some((index, pick(fault)?)))?;
        let is_last = faults[index].left().is_none_or(|left| {
            *left -= 1;
            *left == 0
        });
        if is_last {
            faults.remove(index);
        }
        Some(value)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_fault() -> impl Strategy<Value = Fault> {
        let service = || "[a-z0-9-]{1,8}(/[a-z0-9-]{1,8}){0,2}";
        prop_oneof![
            service().prop_map(|service| Fault::Unhealthy { service }),
            any::<u64>().prop_map(|deployments| Fault::Hang { deployments }),
            (service(), any::<bool>()).prop_map(|(service, is_bare)| Fault::Refuse { service, is_bare }),
            (service(), any::<Option<u64>>()).prop_map(|(service, milliseconds)| Fault::Lock { service, milliseconds }),
            (service(), any::<u64>()).prop_map(|(service, reads)| Fault::Change { service, reads }),
            any::<u64>().prop_map(|writes| Fault::LoseReply { writes }),
            any::<u64>().prop_map(|writes| Fault::Reset { writes }),
            Just(Fault::GoneAtWrite),
            Just(Fault::Gone),
            service().prop_map(|service| Fault::RevertToZero { service }),
            Just(Fault::Forbid),
            service().prop_map(|service| Fault::Quota { service }),
            Just(Fault::Digests),
            any::<(u64, u64)>().prop_map(|(requests, seconds)| Fault::TooMany { requests, seconds }),
            any::<u64>().prop_map(|requests| Fault::Unavailable { requests }),
            any::<u64>().prop_map(|requests| Fault::BankUnavailable { requests }),
            Just(Fault::Lie),
            Just(Fault::Loop),
            any::<u64>().prop_map(|milliseconds| Fault::Latency { milliseconds }),
            Just(Fault::Slack),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(fault in any_fault()) {
            prop_assert_eq!(fault.to_string().parse(), Ok(fault));
        }

        #[test]
        fn no_text_panics_and_what_parses_is_stable(text in ".{0,40}") {
            if let Ok(fault) = text.parse::<Fault>() {
                prop_assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }
    }

    #[test]
    fn short_forms_have_defaults() {
        assert_eq!("hang".parse(), Ok(Fault::Hang { deployments: 1 }));
        assert_eq!("registry-429=3".parse(), Ok(Fault::TooMany { requests: 3, seconds: 1 }));
        assert_eq!("lock=web".parse(), Ok(Fault::Lock { service: "web".into(), milliseconds: None }));
        assert_eq!("change=web".parse(), Ok(Fault::Change { service: "web".into(), reads: 1 }));
    }

    #[test]
    fn every_form_that_is_shown_parses_and_every_fault_is_shown() {
        for (form, _) in FORMS {
            let short = form.split('[').next().unwrap_or(form).replace("<service>", "billing").replace("<ms>", "5");
            let long: String = form.chars().filter(|letter| !"[]".contains(*letter)).collect();
            let long =
                long.replace("<service>", "billing").replace("<ms>", "5").replace("<n>", "2").replace("<s>", "3");
            assert!(short.parse::<Fault>().is_ok(), "{short}");
            assert!(long.parse::<Fault>().is_ok(), "{long}");
        }
    }

    #[test]
    fn what_is_no_fault_is_named_with_the_choices() {
        for text in [
            "",
            "fire",
            "unhealthy",
            "unhealthy=",
            "unhealthy=Big",
            "unhealthy=/billing",
            "hang=x",
            "gone=1",
            "latency",
            "lock=a:b",
            "hang=1:2",
        ] {
            let error = text.parse::<Fault>().expect_err(text).to_string();
            assert!(
                error.starts_with(&format!(
                    "'{text}' is no fault that can be ordered; these are: unhealthy=<service>, hang"
                )),
                "{error}"
            );
        }
    }

    #[test]
    fn a_fault_wears_off_with_its_last_time() {
        let faults = Faults::default();
        faults.order(Fault::Unavailable { requests: 2 });
        faults.order(Fault::Gone);
        let unavailable = |fault: &Fault| matches!(fault, Fault::Unavailable { .. }).then_some(());
        assert_eq!(faults.spend(unavailable), Some(()));
        assert_eq!(faults.all(), [Fault::Unavailable { requests: 1 }, Fault::Gone]);
        assert_eq!(faults.spend(unavailable), Some(()));
        assert_eq!(faults.spend(unavailable), None);
        assert_eq!(faults.all(), [Fault::Gone]);
        faults.clear();
        assert_eq!(faults.all(), []);
    }
}
