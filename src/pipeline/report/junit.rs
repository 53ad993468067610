//! The results as XML of `JUnit`, in the form that Jenkins' plug-ins `junit` and `xUnit` read: tests/junit/jenkins.xsd has its rules.

use std::path::Path;

use anyhow::Context as _;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::step;
use crate::pipeline::record::{TestState, Tested};

/// The results as XML: a case for each test.
///
/// # Errors
/// When it cannot be written as XML.
pub fn junit(tested: &[Tested]) -> anyhow::Result<String> {
    let mut suite = TestSuite::new("test_pipeline");
    for test in tested {
        let status = match test.state {
            TestState::Passed => TestCaseStatus::success(),
            TestState::Skipped => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(test.why.as_str());
                status
            }
            TestState::Failed => failure(NonSuccessKind::Failure, "failed", test),
            TestState::Unreachable => failure(NonSuccessKind::Error, "unreachable", test),
            TestState::Interrupted => failure(NonSuccessKind::Error, "interrupted", test),
        };
        let mut case = TestCase::new(test.test.as_str(), status);
        let name = Path::new(&test.test).with_extension("");
        case.set_classname(name.to_string_lossy().replace('/', "."));
        case.set_time(test.took);
        let lines: Vec<String> = test.steps.iter().map(|record| step(record).text).collect();
        case.set_system_out(lines.join("\n"));
        suite.add_test_case(case);
    }
    let skipped = suite.skipped;
    let mut report = Report::new("test_pipeline");
    report.add_test_suite(suite);
    let text = report.to_string().context("failed to write the results as JUnit XML")?;
    // The plug-ins of Jenkins know this count of each suite, and xUnit refuses a file that has it of all of them.
    Ok(text.replacen(&format!(r#" skipped="{skipped}""#), "", 1))
}

fn failure(kind: NonSuccessKind, name: &str, test: &Tested) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name).set_message(test.why.as_str());
    let lines = test.details.iter().cloned().chain(test.left_behind.iter().map(|what| format!("left behind: {what}")));
    status.set_description(lines.collect::<Vec<_>>().join("\n"));
    status
}
