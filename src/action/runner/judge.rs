//! Programs that judge instead of act: what they were asked about passed, did not pass, or could not be judged.

use serde::Serialize;

use super::vocabulary::Vocabulary;
use crate::action::report::{Cell, Finding, Outcome, Table, Tone};

/// What was found of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The subject, as people call it.
    pub subject: String,
    /// What was found.
    pub state: Judgement,
    /// Why, where it did not pass.
    pub detail: String,
}

/// Whether a subject is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It is as it should be.
    Passed,
    /// It is not.
    NotPassed,
    /// That could not be found out: what is needed for it is not there.
    NotJudged,
}

/// The end of a judge. One that does not pass outweighs one that could not be judged; that nothing was judged is no pass.
#[must_use]
pub fn judged(results: &[Judged], words: Vocabulary) -> Finding {
    let count = |state| results.iter().filter(|result| result.state == state).count();
    let (passed, failed, unsure) = (count(Judgement::Passed), count(Judgement::NotPassed), count(Judgement::NotJudged));
    let outcome = match (passed, failed, unsure) {
        (_, 1.., _) => Outcome::NotPassed,
        (_, 0, 1..) | (0, 0, 0) => Outcome::NotJudged,
        (1.., 0, 0) => Outcome::Passed,
    };
    let message = format!("{}: {passed} passed, {failed} did not pass, {unsure} could not be judged", words.many);
    let mut finding = Finding::new(outcome, message).with("results", results);
    finding.tables = vec![table(results, words)];
    finding
}

fn table(results: &[Judged], words: Vocabulary) -> Table {
    let row = |result: &Judged| {
        let state = match result.state {
            Judgement::Passed => Cell::new(Tone::Good, "passed"),
            Judgement::NotPassed => Cell::new(Tone::Bad, "did not pass"),
            Judgement::NotJudged => Cell::new(Tone::Bad, "could not be judged"),
        };
        vec![result.subject.as_str().into(), state, result.detail.as_str().into()]
    };
    let head = [words.one, "state", "why"].map(str::to_owned).to_vec();
    Table { title: String::new(), head, rows: results.iter().map(row).collect(), legend: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::PLAIN;
    use super::Judgement::{NotJudged, NotPassed, Passed};
    use super::*;

    #[test]
    fn one_that_does_not_pass_outweighs_all_and_nothing_judged_is_no_pass() {
        let of = |states: &[Judgement]| {
            let result = |state: &Judgement| Judged { subject: "a".to_owned(), state: *state, detail: String::new() };
            let finding = judged(&states.iter().map(result).collect::<Vec<_>>(), PLAIN);
            (finding.outcome, finding.outcome.exit_code())
        };
        assert_eq!(of(&[Passed, Passed]), (Outcome::Passed, 0));
        assert_eq!(of(&[Passed, NotJudged, NotPassed]), (Outcome::NotPassed, 1));
        assert_eq!(of(&[Passed, NotJudged]), (Outcome::NotJudged, 5));
        assert_eq!(of(&[]), (Outcome::NotJudged, 5));
    }
}
