//! The pattern of a usage line as a tree, and what follows from it.

/// What a usage line allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// All of them: options anywhere, the others in this order.
    Sequence(Vec<Pattern>),
    /// One of them.
    Alternatives(Vec<Pattern>),
    /// Each of them or not.
    Optional(Vec<Pattern>),
    /// Once or more often.
    Repeat(Box<Pattern>),
    /// `[options]`: each option that is described and not named in the line, or not.
    Options,
    /// One thing.
    Atom(Atom),
}

/// One thing in a usage line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Atom {
    /// A word that is typed as it stands; to docopt `-` and `--` are such words too.
    Command(String),
    /// A positional argument, `<file>` or `FILE`.
    Positional(String),
    /// An option, by its long name if it has one.
    Option {
        /// What it is called.
        name: String,
        /// The placeholder of its value; none for a switch.
        placeholder: Option<String>,
    },
}

impl Default for Pattern {
    fn default() -> Self {
        Self::Sequence(Vec::new())
    }
}

impl Atom {
    /// What docopt calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Command(name) | Self::Positional(name) | Self::Option { name, .. } => name,
        }
    }

    /// The command word, if it is one that people would call so.
    pub(crate) fn command(&self) -> Option<&str> {
        match self {
            Self::Command(name) if name != "-" && name != "--" => Some(name),
            _ => None,
        }
    }

    pub(crate) fn option(&self) -> Option<&str> {
        if let Self::Option { name, .. } = self { Some(name) } else { None }
    }

    pub(crate) fn positional(&self) -> Option<&str> {
        if let Self::Positional(name) = self { Some(name) } else { None }
    }
}

impl Pattern {
    /// All that it names, in order.
    #[must_use]
    pub fn atoms(&self) -> Vec<&Atom> {
        match self {
            Self::Sequence(parts) | Self::Alternatives(parts) | Self::Optional(parts) => {
                parts.iter().flat_map(Self::atoms).collect()
            }
            Self::Repeat(part) => part.atoms(),
            Self::Options => Vec::new(),
            Self::Atom(atom) => vec![atom],
        }
    }

    /// What it cannot do without: what stands in every alternative and in no brackets.
    #[must_use]
    pub fn needed(&self) -> Vec<&Atom> {
        match self {
            Self::Sequence(parts) => parts.iter().flat_map(Self::needed).collect(),
            Self::Alternatives(parts) => {
                let mut needed = parts.iter().map(Self::needed);
                let first = needed.next().unwrap_or_default();
                let others: Vec<Vec<&Atom>> = needed.collect();
                let everywhere =
                    |atom: &&Atom| others.iter().all(|other| other.iter().any(|one| one.name() == atom.name()));
                first.into_iter().filter(everywhere).collect()
            }
            Self::Repeat(part) => part.needed(),
            Self::Optional(_) | Self::Options => Vec::new(),
            Self::Atom(atom) => vec![atom],
        }
    }

    /// The commands of which one stands first: `a` and `b` of `(a | b) [c]`.
    #[must_use]
    pub fn heads(&self) -> Vec<&str> {
        match self {
            Self::Sequence(parts) | Self::Optional(parts) => {
                parts.iter().map(Self::heads).find(|heads| !heads.is_empty()).unwrap_or_default()
            }
            Self::Alternatives(parts) => parts.iter().flat_map(Self::heads).collect(),
            Self::Repeat(part) => part.heads(),
            Self::Options => Vec::new(),
            Self::Atom(atom) => atom.command().into_iter().collect(),
        }
    }

    /// Whether it names this.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.atoms().iter().any(|atom| atom.name() == name)
    }

    /// Whether `[options]` stands in it.
    #[must_use]
    pub fn any(&self) -> bool {
        match self {
            Self::Sequence(parts) | Self::Alternatives(parts) | Self::Optional(parts) => parts.iter().any(Self::any),
            Self::Repeat(part) => part.any(),
            Self::Options => true,
            Self::Atom(_) => false,
        }
    }

    /// What is left of it when `command` is given, of one word or several (or, if it is empty, none): of alternatives
    /// those that name it.
    #[must_use]
    pub fn of(&self, command: &str) -> Self {
        let all = |parts: &[Self]| parts.iter().map(|part| part.of(command)).collect();
        match self {
            Self::Sequence(parts) => Self::Sequence(all(parts)),
            Self::Optional(parts) => Self::Optional(all(parts)),
            Self::Alternatives(parts) => {
                // Of several words these alternatives may be about some.
                let words: Vec<&str> =
                    command.split_whitespace().filter(|word| parts.iter().any(|part| part.names(word))).collect();
                let fits = |part: &&Self| match command {
                    "" => part.serves(command),
                    _ => !words.is_empty() && words.iter().all(|word| part.names(word)),
                };
                let fitting: Vec<Self> = parts.iter().filter(fits).map(|part| part.of(command)).collect();
                Self::Alternatives(if fitting.is_empty() { all(parts) } else { fitting })
            }
            // The second time another alternative may be taken.
            Self::Repeat(_) | Self::Options | Self::Atom(_) => self.clone(),
        }
    }

    /// Whether a command line of `command` (or, if it is empty, of none) can fit it.
    #[must_use]
    pub fn serves(&self, command: &str) -> bool {
        match command {
            "" => self.asks_no_command(),
            _ => command.split_whitespace().all(|word| self.names(word)),
        }
    }

    /// The words of the commands of each command line that fits it, in order: `db dump` and `db load` of
    /// `db (dump | load) [now]`. Only the first hundred, since there can be very many.
    #[must_use]
    pub fn commands(&self) -> Vec<Vec<&str>> {
        const MOST: usize = 100;
        let found = match self {
            Self::Sequence(parts) => parts.iter().fold(vec![Vec::new()], |lines, part| {
                let more = part.commands();
                let joined =
                    lines.iter().flat_map(|line| more.iter().map(move |words| [&line[..], &words[..]].concat()));
                joined.take(MOST).collect()
            }),
            Self::Alternatives(parts) => parts.iter().flat_map(Self::commands).collect(),
            Self::Repeat(part) => part.commands(),
            Self::Optional(_) | Self::Options => vec![Vec::new()],
            Self::Atom(atom) => vec![atom.command().into_iter().collect()],
        };
        let mut once: Vec<Vec<&str>> = Vec::new();
        for words in found.into_iter().take(MOST) {
            if !once.contains(&words) {
                once.push(words);
            }
        }
        once
    }

    fn asks_no_command(&self) -> bool {
        match self {
            Self::Sequence(parts) => parts.iter().all(Self::asks_no_command),
            Self::Alternatives(parts) => parts.iter().any(Self::asks_no_command),
            Self::Repeat(part) => part.asks_no_command(),
            Self::Optional(_) | Self::Options => true,
            Self::Atom(atom) => atom.command().is_none(),
        }
    }

    /// Whether both can be given at once.
    #[must_use]
    pub fn allows_both(&self, one: &str, other: &str) -> bool {
        match self {
            Self::Sequence(parts) | Self::Optional(parts) => {
                let holds = |name: &str| parts.iter().position(|part| part.offers(name));
                let last = |name: &str| parts.iter().rposition(|part| part.offers(name));
                match (holds(one), holds(other)) {
                    (Some(first), Some(second)) if first != second || last(one) != last(other) => true,
                    (Some(place), Some(_)) => parts[place].allows_both(one, other),
                    _ => false,
                }
            }
            Self::Alternatives(parts) => parts.iter().any(|part| part.allows_both(one, other)),
            Self::Repeat(part) => part.offers(one) && part.offers(other),
            Self::Options => true,
            Self::Atom(_) => false,
        }
    }

    fn offers(&self, name: &str) -> bool {
        self.names(name) || self.any()
    }

    pub(super) fn repeat(self) -> Self {
        if matches!(self, Self::Repeat(_)) { self } else { Self::Repeat(Box::new(self)) }
    }
}
