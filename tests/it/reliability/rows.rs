//! What can go wrong and how it ends: the rows that RELIABILITY.md shows.

use std::fmt::{self, Write as _};

use firebreak::drill::Platform;
use firebreak::drill::Platform::{Kubernetes, Marathon};

/// One line of the table, and one trial on each of its platforms.
#[derive(Clone, Copy)]
pub struct Row {
    pub what: &'static str,
    pub trouble: Trouble,
    /// Options of `run`.
    pub options: &'static str,
    pub on: &'static [Platform],
    pub outcome: &'static str,
    pub code: i32,
    pub then: Then,
}

/// How it is made to go wrong.
#[derive(Clone, Copy)]
pub enum Trouble {
    /// Faults of the drill, ordered when the look is over.
    Faults(&'static [&'static str]),
    /// Faults of the drill, ordered while the run is under way: when the platform has answered so many requests of a
    /// method.
    Later(&'static [&'static str], (&'static str, usize)),
    /// Somebody else sets another image of `users` when the changes were tried and the first is about to be written.
    Somebody,
    /// A fault, and this signal when the first change is made.
    Interrupt(&'static str, &'static str),
    /// The disk of the journal is full before it begins.
    FullDisk,
    /// Somebody else fills the disk of the journal when the first change is made.
    DiskFills,
    /// The clock jumps days back and forth.
    ClockJumps,
}

/// How the services stand when it is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// All at their targets.
    Target,
    /// All as before.
    Before,
    /// All as before, one with what somebody else changed in it.
    Theirs,
    /// All at their targets, one with what somebody else changed in it.
    TargetTheirs,
    /// Each that is neither, or is not seen, is named with the command that sets it back.
    Named,
}

const BOTH: &[Platform] = &[Marathon, Kubernetes];

const fn row(
    what: &'static str,
    trouble: Trouble,
    options: &'static str,
    on: &'static [Platform],
    (outcome, code, then): (&'static str, i32, Then),
) -> Row {
    Row { what, trouble, options, on, outcome, code, then }
}

use Then::{Before, Named, Target, TargetTheirs, Theirs};
use Trouble::{ClockJumps, DiskFills, Faults, FullDisk, Interrupt, Later, Somebody};

const DONE: (&str, i32, Then) = ("done", 0, Target);
const FAILED: (&str, i32, Then) = ("failed", 1, Before);
const RESTORED: (&str, i32, Then) = ("restored", 1, Before);
const OPERATOR: (&str, i32, Then) = ("needs_operator", 3, Named);
const INTERRUPTED: (&str, i32, Then) = ("interrupted", 130, Before);

/// The six changes are tried by the server, and the first of them is not written.
pub const FIRST_PATCH: (&str, usize) = ("PATCH", 6);
/// The first of the six changes is written.
const SECOND_PATCH: (&str, usize) = ("PATCH", 7);

pub const ROWS: &[Row] = &[
    row("A deployment by others holds a service (409), and ends", Faults(&["lock=web:1500"]), "", &[Marathon], DONE),
    row("It does not end", Faults(&["lock=web"]), "--timeout=2", &[Marathon], ("failed", 1, Theirs)),
    row("Another holder has the Lease, and lets go of it at once", Faults(&["lock=web:200"]), "", &[Kubernetes], DONE),
    row("They keep it", Faults(&["lock=web"]), "--timeout=2", &[Kubernetes], FAILED),
    row("A service's change is refused (422)", Faults(&["refuse=users"]), "", BOTH, FAILED),
    row(
        "A webhook refuses it with 400, for it gives no status of its own",
        Faults(&["refuse=users:400"]),
        "",
        &[Kubernetes],
        FAILED,
    ),
    row("A webhook adds its digest to every image", Faults(&["digests"]), "", &[Kubernetes], DONE),
    row(
        "A webhook adds its digest to every image, and a service does not get healthy",
        Faults(&["digests", "unhealthy=billing"]),
        "--timeout=2",
        &[Kubernetes],
        RESTORED,
    ),
    row("The account may read and not write (403)", Faults(&["forbid"]), "", BOTH, FAILED),
    row("A deployment hangs", Faults(&["hang"]), "--timeout=2", BOTH, RESTORED),
    row(
        "It hangs, and its revert leaves a service with 0 instances",
        Faults(&["hang", "revert-to-zero=billing"]),
        "--timeout=4",
        &[Marathon],
        RESTORED,
    ),
    row("A service does not get healthy", Faults(&["unhealthy=billing"]), "--timeout=2", BOTH, RESTORED),
    row(
        "A pod of a StatefulSet does not get ready, and holds up the way back",
        Faults(&["unhealthy=users"]),
        "--timeout=4",
        &[Kubernetes],
        RESTORED,
    ),
    row("A quota lets no new pod start", Faults(&["quota=billing"]), "--timeout=2", &[Kubernetes], RESTORED),
    row("The connection breaks off at the write", Faults(&["reset"]), "", &[Marathon], FAILED),
    row("The connection breaks off at the first write, the Lease", Faults(&["reset"]), "", &[Kubernetes], DONE),
    // The Lease is renewed meanwhile, and that may be the one that is cut off.
    row(
        "The connection breaks off at the second workload's write, and once more",
        Later(&["latency=100", "reset=2"], SECOND_PATCH),
        "",
        &[Kubernetes],
        RESTORED,
    ),
    row("The connection breaks off at each write", Faults(&["reset=99"]), "--timeout=2", BOTH, FAILED),
    row("The write is carried out, and its answer is lost", Faults(&["lose-reply"]), "", BOTH, DONE),
    row("The answers to four writes are lost", Faults(&["lose-reply=4"]), "", &[Kubernetes], DONE),
    row("Every answer is slow", Faults(&["latency=200"]), "", BOTH, DONE),
    row("Others change a service meanwhile", Faults(&["change=orders:2"]), "", &[Marathon], ("failed", 1, Theirs)),
    row("Others label a service meanwhile", Faults(&["change=orders:2"]), "", &[Kubernetes], ("done", 0, TargetTheirs)),
    row("Others set another image of a service while the first is written", Somebody, "", &[Kubernetes], OPERATOR),
    row("The platform goes away at the write", Faults(&["gone-at-write"]), "--timeout=2", &[Marathon], OPERATOR),
    row(
        "The platform goes away at the first workload's write",
        Later(&["latency=100", "gone-at-write"], FIRST_PATCH),
        "--timeout=2",
        &[Kubernetes],
        OPERATOR,
    ),
    row("The platform is gone from the beginning", Faults(&["gone"]), "", BOTH, FAILED),
    row("Slack fails", Faults(&["slack-fails"]), "", BOTH, DONE),
    row("The registry asks for patience (429), then answers", Faults(&["registry-429=3:1"]), "", BOTH, DONE),
    row("The registry fails (503), then answers", Faults(&["registry-503=2"]), "", BOTH, DONE),
    row("The registry fails (503) again and again", Faults(&["registry-503=999"]), "", &[Marathon], FAILED),
    row("The disk of the journal is full", FullDisk, "", BOTH, FAILED),
    row("Others fill the disk of the journal when the first change is made", DiskFills, "", BOTH, DONE),
    row("The clock jumps three days forth and back, all the time", ClockJumps, "", BOTH, DONE),
    row("A Ctrl-C", Interrupt("hang", "-INT"), "", BOTH, INTERRUPTED),
    row("The system ends the program", Interrupt("hang", "-TERM"), "", BOTH, INTERRUPTED),
    row("The terminal is closed", Interrupt("hang", "-HUP"), "", BOTH, INTERRUPTED),
];

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Faults(faults) => write!(formatter, "`{}`", faults.join("` `")),
            Later(faults, (method, 7)) => write!(formatter, "`{}` after the first {method}", faults.join("` `")),
            Later(faults, (method, _)) => write!(formatter, "`{}` before the first {method}", faults.join("` `")),
            Somebody => formatter.write_str("a patch after the trial of all"),
            Interrupt(fault, signal) => write!(formatter, "`{fault}`, `kill {signal}`"),
            FullDisk => formatter.write_str("a full tmpfs"),
            DiskFills => formatter.write_str("a tmpfs that `dd` fills"),
            ClockJumps => formatter.write_str("faketime"),
        }
    }
}

impl fmt::Display for Then {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Target => "all at their targets",
            Before => "all as before",
            Theirs => "all as before, and changes by others are kept",
            TargetTheirs => "all at their targets, and changes by others are kept",
            Named => "each that is neither, or cannot be seen, is named, with the command that sets it back",
        })
    }
}

/// The table of RELIABILITY.md.
pub fn table() -> String {
    let mut text = "| What goes wrong | How it was ordered | On | Outcome | Exit code | The services then |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for Row { what, trouble, options, on, outcome, code, then } in ROWS {
        let how = if options.is_empty() { trouble.to_string() } else { format!("{trouble}, `{options}`") };
        let on: Vec<_> = on.iter().map(|platform| format!("{platform:?}")).collect();
        let (on, outcome) = (on.join(", "), outcome.replace('_', " "));
        let _ = writeln!(text, "| {what} | {how} | {on} | {outcome} | {code} | {then} |");
    }
    text.push_str(
        "| The program is killed (`kill -9`), anywhere, then `resume` | [the matrix](tests/it/matrix.rs) | \
         Marathon, Kubernetes, Podman | done; restored where it was going back, or could not be done; nothing to do where \
         it had changed nothing, or had ended | 0 or 1 | all at their targets, or all as before |\n\
         | The same, then `undo` | [the matrix](tests/it/matrix.rs) | Marathon, Kubernetes, Podman | done; nothing to do \
         where it had changed nothing | 0 | all as before |\n",
    );
    text
}
