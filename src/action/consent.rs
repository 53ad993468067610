//! Between the plan and the act: the plan is shown, and somebody says yes; or `--check` ends it there.

use super::operator::Operator;
use super::report::{Finding, Outcome, Table};

/// What an environment is called in which a slip costs most: its name is typed out, and a second person agrees.
const PRODUCTION: [&str; 3] = ["prod", "production", "master"];

/// Whether an environment is production: one of the words of its name says so, as in `prod-eu`.
#[must_use]
pub fn is_production(environment: &str) -> bool {
    environment.split(|c: char| !c.is_alphanumeric()).any(|word| PRODUCTION.contains(&word.to_lowercase().as_str()))
}

/// What happens between the plan and the act.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consent {
    /// Somebody is asked.
    #[default]
    Asked,
    /// It was given beforehand (`--yes`).
    Given,
    /// There is no act (`--check`).
    Withheld,
}

/// A plan to be agreed to.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The plan, for people.
    pub plan: Table,
    /// What is changed, with its number: `4 services`.
    pub what: String,
    /// Where, and to what end: ` of 'dev' back to 2026-11-20`; may be empty.
    pub place: String,
    /// A word that must be typed out, rather than a slip of a key.
    pub word: Option<String>,
}

impl Consent {
    /// What `--check` and `--yes` say; the more careful of the two wins.
    #[must_use]
    pub fn of(check: bool, yes: bool) -> Self {
        match (check, yes) {
            (true, _) => Self::Withheld,
            (false, true) => Self::Given,
            (false, false) => Self::Asked,
        }
    }

    /// Shows the plan and asks as far as that is needed. None: go on. Else how it ended, with nothing changed.
    ///
    /// # Errors
    /// When the terminal fails.
    pub async fn confirm(self, proposal: &Proposal, operator: &dyn Operator) -> anyhow::Result<Option<Finding>> {
        let Proposal { plan, what, place, word } = proposal;
        let declined = |why| Ok(Some(Finding::new(Outcome::Declined, why)));
        if self == Self::Withheld {
            let mut finding = Finding::new(Outcome::Planned, format!("would change {what}"));
            finding.changed = true;
            finding.tables = vec![plan.clone()];
            return Ok(Some(finding));
        }
        operator.show(plan);
        if self == Self::Given {
            return Ok(None);
        }
        if !operator.present() {
            return declined("--yes is needed where no terminal is: nothing was changed");
        }
        let agreed = match word {
            Some(word) => {
                operator.type_out(&format!("Type the environment's name to change {what}{place}"), word).await?
            }
            None => operator.confirm(&format!("Change {what}{place}?")).await?,
        };
        if agreed { Ok(None) } else { declined("not confirmed: nothing was changed") }
    }
}

#[cfg(test)]
mod tests {
    use super::is_production;

    #[test]
    fn production_is_known_by_a_word_of_its_name() {
        assert!(["prod", "prod-eu", "eu_production", "Master"].into_iter().all(is_production));
        assert!(!["dev", "stage", "product", "reproduction"].into_iter().any(is_production));
    }
}
