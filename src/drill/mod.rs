//! The embedded world: a registry, a Marathon and a Slack on loopback, for drills, tests and benches alike.
