//! The kinds of objects that the API server keeps, and where they are found.

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    Namespaces,
    Pods,
    Deployments,
    StatefulSets,
    DaemonSets,
    CronJobs,
    ReplicaSets,
    ControllerRevisions,
    Leases,
}

use Resource::{
    ControllerRevisions, CronJobs, DaemonSets, Deployments, Leases, Namespaces, Pods, ReplicaSets, StatefulSets,
};

impl Resource {
    pub(super) const ALL: [Self; 9] =
        [Namespaces, Pods, Deployments, StatefulSets, DaemonSets, CronJobs, ReplicaSets, ControllerRevisions, Leases];

    /// The kind as an object names it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Namespaces => "Namespace",
            Pods => "Pod",
            Deployments => "Deployment",
            StatefulSets => "StatefulSet",
            DaemonSets => "DaemonSet",
            CronJobs => "CronJob",
            ReplicaSets => "ReplicaSet",
            ControllerRevisions => "ControllerRevision",
            Leases => "Lease",
        }
    }

    /// The kind as a path names it.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Namespaces => "namespaces",
            Pods => "pods",
            Deployments => "deployments",
            StatefulSets => "statefulsets",
            DaemonSets => "daemonsets",
            CronJobs => "cronjobs",
            ReplicaSets => "replicasets",
            ControllerRevisions => "controllerrevisions",
            Leases => "leases",
        }
    }

    pub(super) fn group(self) -> &'static str {
        match self {
            Namespaces | Pods => "",
            CronJobs => "batch",
            Leases => "coordination.k8s.io",
            Deployments | StatefulSets | DaemonSets | ReplicaSets | ControllerRevisions => "apps",
        }
    }

    /// `apps/v1`, as an object says it.
    pub(super) fn version(self) -> String {
        if self.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", self.group()) }
    }

    /// A name with its group, as errors say it: `deployments.apps`, `Deployment.apps`.
    pub(super) fn qualified(self, name: &str) -> String {
        if self.group().is_empty() { name.to_owned() } else { format!("{name}.{}", self.group()) }
    }

    /// Whether it has a pod template of its own.
    pub(super) fn is_workload(self) -> bool {
        self.rolls_out() || self == CronJobs
    }

    /// Whether its pod template is rolled out at once.
    pub(super) fn rolls_out(self) -> bool {
        matches!(self, Deployments | StatefulSets | DaemonSets)
    }

    /// What may be done with it here. The real one can more; nobody who rolls back needs it.
    pub(super) fn verbs(self) -> &'static [&'static str] {
        match self {
            Namespaces | ReplicaSets | ControllerRevisions => &["get", "list"],
            Pods => &["delete", "get", "list"],
            Deployments | StatefulSets | DaemonSets | CronJobs | Leases => {
                &["create", "delete", "get", "list", "patch", "update"]
            }
        }
    }
}

/// What names one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) resource: Resource,
    /// Empty for what is in no namespace.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        Self { resource, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// What a fault calls it, see [`is_of`](crate::drill::faults::is_of): `/dev/billing`.
    pub(super) fn id(&self) -> String {
        format!("/{}/{}", self.namespace, self.name)
    }
}
