//! What is otherwise than a file says, for people: the first of it, and how much more there is.

use std::fmt;

/// So many differences are told.
const TOLD: usize = 20;

/// What is otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A row that should be there is not: the line of the file, and its cells as `column=value`.
    Missing(usize, Vec<String>),
    /// A row is there that should not be.
    Unexpected(Vec<String>),
    /// A row is there with other cells: the line of the file, and the cells as `column: is is not should be`.
    Cells(usize, Vec<String>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(line, cells) => write!(f, "missing (line {line}): {}", cells.join(", ")),
            Self::Unexpected(cells) => write!(f, "unexpected: {}", cells.join(", ")),
            Self::Cells(line, cells) => write!(f, "different (line {line}): {}", cells.join(", ")),
        }
    }
}

/// The first differences, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    told: Vec<Difference>,
    /// All of them.
    pub count: usize,
}

impl Differences {
    /// Notes one; it is made only where it is told.
    pub(super) fn add(&mut self, difference: impl FnOnce() -> Difference) {
        if self.told.len() < TOLD {
            self.told.push(difference());
        }
        self.count += 1;
    }

    /// A line for each that is told, and one for those that are not.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let more = self.count - self.told.len();
        let more = (more > 0).then(|| format!("and {more} more"));
        self.told.iter().map(ToString::to_string).chain(more).collect()
    }
}
