//! Test data pipelines end to end.

const USAGE: &str = "
Test data pipelines end to end.

Problem:
  A pipeline says that it succeeded, and what it left in its target is not what it should be. Or nobody knows: the tests
  that would tell were written for Catcher, which runs on no Python of today, and passes tests that should fail.

Solution:
  Tests are YAML or JSON files in Catcher's format: they prepare, act, wait and compare. `get` reads them with all that
  they include, and shows which tests there are, what they need, and all that is wrong with them, with line and column;
  it runs nothing. `run` runs them beside one another, each with variables of its own and its clean-up in the end, and
  says of each whether it passed. Nothing in a file or in an answer is ever run as code. Secrets are masked in all that
  is reported. `schema` prints a JSON Schema by which editors complete such files.

Symptoms:
  A data pipeline ended well, but its target table or file is wrong, empty or incomplete
  Tests for Catcher do not run any more, or pass though the pipeline is broken
  Test a pipeline, an HTTP service or a job end to end

Usage:
  test_pipeline get <tests>... [options]
  test_pipeline run <tests>... [options]
  test_pipeline schema [options]
  test_pipeline -h | --help | --version

Options of get and run:
  -i <file>, --inventory=<file>
                        The inventory: a YAML or JSON file of variables, which may be templates.
  -e <variable>, --environment=<variable> ...
                        A variable, `name=value`; it wins over the inventory and the test.
                        [env: FIREBREAK_TEST_VARIABLE] [secret]
  -r <dir>, --resources=<dir>
                        Where resources are. [default: resources]
  -s <switch>, --system-env=<switch>
                        Whether the variables of the environment are variables of the tests.
                        [choices: true false] [default: true]
  -m <module>, --modules=<module>
                        A module that the tests need; all are built in, so it is only seen whether it is.
  -f <filter>, --filter=<filter> ...
                        Catcher's filters in Python, which are not run here: refused, with what to write instead.
  --only=<text>         Only the tests whose file has this text in its name.
  --shard=<k/n>         Only the k-th of n equal parts of the tests.
  --failed              Only the tests that did not pass the last time.

Options of run:
  --jobs=<n>            How many tests run at a time, if not one for each core.
  --tag=<word>          Of each test only the steps with this tag.
  --shuffle=<seed>      In an order that this number gives; 0 for another one each time, whose number is told.
  --fail-fast           Begin no more tests after the first that did not pass.
  --keep                Leave what failed as it is, for a look: no clean-up there. It is named.
  --timeout=<seconds>   Seconds that the steps of one test may take in all, and then each step of its clean-up.
                        [default: 600]
  --junit=<file>        Write the results as JUnit XML as well, for Jenkins.
  --tap=<file>          Write the results as TAP 14 as well, for whoever reads that.
  --report=<dir>        Write the results as a page as well, `index.html` in this folder: one file with tests, steps,
                        times, what was otherwise, evidence, and a timeline of what ran beside what.
  -p <format>, --output=<format>
                        Write all steps with their results into the folder `reports` as well. [choices: html json]
  -l <level>, --level=<level>
                        How much is told: with `debug` each step of each test. [choices: debug info] [default: info]

General options:
  --journal=<dir>       Where runs are kept, if not in ~/.local/state/firebreak. [env: FIREBREAK_JOURNAL]
  --cacert=<file>       Trust the certificates in this PEM file as well: authorities', or a server's own.
  --no-color            No colours.
  --format=<f>          Tables for people, or one JSON document. [choices: table json] [default: table]
  -h, --help            Show this text.
  --version             Show the version.

Approval:
  none

Verify:
  The message says how many tests passed and did not; each that did not is named with the step, its line, and why.

Undo:
  Each test undoes what it did, by its own `finally`. What a clean-up could not undo is named in the report.

Exit status:
  0    All tests passed, or were to be left out.
  1    A test did not pass, or its clean-up failed.
  2    The command line or a file is wrong: each place is named, and no test was run.
  5    A test could not be judged: what it tests could not be reached. Also where there are no tests.
  130  Interrupted; each test that was under way did its clean-up.

Examples:
  test_pipeline get tests/ -i inventory/dev.yml
  test_pipeline run tests/ -i inventory/dev.yml --jobs=4 --junit=results.xml
  test_pipeline run tests/orders.yaml -e day=2026-11-28 -l debug
  test_pipeline schema
";

fn main() -> std::process::ExitCode {
    firebreak::action::run_on(firebreak::action::Threads::EachCore, USAGE, firebreak::pipeline::go)
}
