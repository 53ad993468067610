//! Which promise holds for which action, and the test that shows it: the table of RELIABILITY.md.

use std::fmt::Write as _;
use std::path::Path;

/// A promise, and who keeps it.
struct Promise {
    what: &'static str,
    /// For each column of [`COLUMNS`].
    cells: [Cell; COLUMNS.len()],
}

/// What stands in a cell.
#[derive(Clone, Copy)]
enum Cell {
    /// This test shows it: its module and its name.
    Test(&'static str),
    /// The runner keeps it, for this action as for the example of its way.
    Runner,
    /// It is not promised, for there is nothing of that kind to promise.
    Nothing,
}

use Cell::{Nothing, Runner, Test};

/// The actions: the examples of the tests' own, one for each way, and then the roles, each behind the examples of its way.
const COLUMNS: [&str; 9] = [
    "set_files",
    "rollback_service",
    "reelect_leader",
    "batch_lines",
    "resolve_transactions",
    "rebuild_indexes",
    "repopulate_images",
    "judge_files",
    "test_pipeline",
];

const PROMISES: [Promise; 11] = [
    Promise {
        what: "A look and `--check` change nothing",
        cells: [
            Test("runner::a_set_is_looked_at_planned_set_and_undone_once"),
            Test("program::check_plans_and_changes_nothing"),
            Test("leaders::a_leadership_moves_there_and_back_and_no_acknowledged_write_is_lost"),
            Test("runner::a_batch_ends_each_item_by_itself_and_names_those_that_need_somebody"),
            Test("transactions::a_check_shows_the_plan_and_changes_nothing_and_an_empty_queue_has_nothing_to_do"),
            Test("indexes::indexes_are_rebuilt_while_others_write_and_nobody_waits_longer_than_was_said"),
            Test("images::a_look_tells_missing_broken_and_stale_ones_and_a_run_stores_the_first_two"),
            Test("author::shapes::a_program_with_run_alone_has_a_role_a_playbook_and_a_button"),
            Test("pipeline::format::a_good_file_is_shown_with_what_it_needs"),
        ],
    },
    Promise {
        what: "Nothing is changed without a yes; the name of a protected environment is typed out",
        cells: [
            Test("runner::a_protected_environment_must_be_typed_out"),
            Test("terminal::a_protected_environment_must_be_typed_out"),
            Runner,
            Test("runner::a_protected_environment_must_be_typed_out"),
            Runner,
            Runner,
            Runner,
            Nothing,
            Nothing,
        ],
    },
    Promise {
        what: "After `kill -9` all is at its target or as before, by `resume` or `undo`; of a batch, by running it again",
        cells: [
            Test("runner::a_set_whose_process_is_killed_at_any_point_is_finished_or_taken_back"),
            Test("matrix::a_run_that_dies_on_its_way_there_is_finished_or_taken_back"),
            Test("leaders::died::a_run_that_was_killed_is_ended_whole_by_resume_or_undo"),
            Test("runner::a_batch_whose_process_is_killed_is_simply_run_again"),
            Test("transactions::trial::killed_workers_and_lost_answers_leave_one_effect_each_with_redis"),
            Test("indexes::faults::a_run_that_is_killed_and_run_again_leaves_nothing_invalid"),
            Test("images::faults::runs_that_are_killed_leave_nothing_half_stored"),
            Nothing,
            Test("pipeline::running::what_a_run_left_that_was_killed_is_named_by_the_next_look"),
        ],
    },
    Promise {
        what: "A new run over one that died is refused, with both ways out",
        cells: [
            Test("runner::messages_speak_of_the_subjects_and_the_options_of_their_own_action"),
            Test("program::after_a_kill_in_the_middle_the_next_run_names_both_ways_out"),
            Test("leaders::died::a_run_that_was_killed_is_ended_whole_by_resume_or_undo"),
            Nothing,
            Nothing,
            Nothing,
            Nothing,
            Nothing,
            Nothing,
        ],
    },
    Promise {
        what: "After Ctrl-C all is as before; of a batch, what was begun is finished; of a judge, what was begun is cleaned up",
        cells: [
            Test("runner::an_interrupt_takes_a_set_back_and_ends_a_batch_where_it_is"),
            Test("program::the_first_interrupt_takes_the_set_back"),
            Test("leaders::died::an_interrupt_while_it_moves_takes_the_leadership_back"),
            Test("runner::an_interrupt_takes_a_set_back_and_ends_a_batch_where_it_is"),
            Test("transactions::faults::an_interrupt_ends_what_is_begun_and_gives_back_the_rest"),
            Test("indexes::faults::a_run_that_is_interrupted_breaks_off_and_cleans_up"),
            Runner,
            Nothing,
            Test("pipeline::running::an_interrupt_ends_the_tests_and_each_is_cleaned_up"),
        ],
    },
    Promise {
        what: "What does not become healthy is taken back, or named; of a batch, each item that needs somebody is named",
        cells: [
            Test("runner::a_set_that_does_not_get_well_is_restored"),
            Test("program::what_fails_is_restored"),
            Test("leaders::faults::a_member_that_stops_after_it_was_probed_leaves_the_leader_and_the_run_ends"),
            Test("runner::a_batch_ends_each_item_by_itself_and_names_those_that_need_somebody"),
            Test("transactions::each_transaction_is_committed_cancelled_left_or_parked"),
            Test("indexes::what_is_unique_stays_so_and_what_cannot_be_is_named"),
            Test("images::faults::what_a_source_does_wrong_is_told_by_key_and_never_stored"),
            Test("runner::a_judge_says_what_passed_and_leaves_nothing_behind"),
            Test("pipeline::format::each_clean_up_is_done_in_order_and_one_that_fails_fails_the_test_and_is_named"),
        ],
    },
    Promise {
        what: "To press twice has one effect",
        cells: [
            Test("runner::a_set_is_looked_at_planned_set_and_undone_once"),
            Test("program::to_undo_twice_undoes_once"),
            Test("leaders::a_leadership_moves_there_and_back_and_no_acknowledged_write_is_lost"),
            Test("runner::a_batch_ends_each_item_by_itself_and_names_those_that_need_somebody"),
            Test("transactions::trial::killed_workers_and_lost_answers_leave_one_effect_each_with_redis"),
            Test("indexes::indexes_are_rebuilt_while_others_write_and_nobody_waits_longer_than_was_said"),
            Test("images::faults::two_runs_at_once_store_each_picture_once"),
            Nothing,
            Nothing,
        ],
    },
    Promise {
        what: "On one host one acts at a time; every other one is told who does",
        cells: [
            Test("runner::of_twenty_operators_one_acts_and_the_others_are_told_why_not"),
            Test("operators::of_fifty_on_one_host_exactly_one_acts"),
            Runner,
            Test("runner::of_twenty_operators_one_acts_and_the_others_are_told_why_not"),
            Runner,
            Test("indexes::faults::two_runs_keep_out_of_each_others_way_on_whatever_host"),
            Runner,
            Nothing,
            Nothing,
        ],
    },
    Promise {
        what: "On a full disk nothing is begun",
        cells: [
            Test("runner::on_a_full_disk_nothing_is_begun"),
            Test("reliability::every_fault_ends_as_the_table_says"),
            Runner,
            Test("runner::on_a_full_disk_nothing_is_begun"),
            Runner,
            Runner,
            Runner,
            Nothing,
            Nothing,
        ],
    },
    Promise {
        what: "Slack that fails stops nothing",
        cells: [
            Test("runner::slack_is_told_and_its_failure_stops_nothing"),
            Test("reliability::every_fault_ends_as_the_table_says"),
            Runner,
            Test("runner::slack_is_told_and_its_failure_stops_nothing"),
            Runner,
            Runner,
            Runner,
            Nothing,
            Nothing,
        ],
    },
    Promise {
        what: "The playbook does what the program does",
        cells: [
            Nothing,
            Test("ansible::with_the_tag_run_it_acts_and_keeps_the_report"),
            Test("leaders::role::the_playbook_looks_plans_moves_and_undoes"),
            Nothing,
            Test("transactions::role::the_playbook_looks_plans_and_acts_and_shows_no_secret"),
            Test("indexes::role::the_playbook_looks_plans_and_acts_and_shows_no_secret"),
            Test("images::role::the_playbook_looks_plans_and_stores_and_shows_no_secret"),
            Test("author::shapes::a_program_with_run_alone_has_a_role_a_playbook_and_a_button"),
            Nothing,
        ],
    },
];

/// The file of a module of the tests: `tests/it/leaders/died.rs`.
fn file(test: &str) -> String {
    let (module, _) = test.rsplit_once("::").expect("a module and a name");
    format!("tests/it/{}.rs", module.replace("::", "/"))
}

/// The table, as RELIABILITY.md has it.
pub fn table() -> String {
    let heads = COLUMNS.map(|action| format!("`{action}`")).join(" | ");
    let mut text = format!("| Promise | {heads} |\n|---|{}\n", "---|".repeat(COLUMNS.len()));
    for Promise { what, cells } in &PROMISES {
        let cells = cells.map(|cell| match cell {
            Test(shown_by) => {
                let (_, name) = shown_by.rsplit_once("::").expect("a module and a name");
                format!("[tried]({} \"{name}\")", file(shown_by))
            }
            Runner => "runner".to_owned(),
            Nothing => "–".to_owned(),
        });
        let _ = writeln!(text, "| {what} | {} |", cells.join(" | "));
    }
    text
}

#[test]
fn each_test_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for Promise { cells, .. } in &PROMISES {
        for cell in cells {
            let Test(shown_by) = cell else { continue };
            let (_, name) = shown_by.rsplit_once("::").expect("a module and a name");
            let text = std::fs::read_to_string(root.join(file(shown_by)))
                .unwrap_or_else(|error| panic!("{shown_by}: {error}"));
            let (before, _) =
                text.split_once(&format!("fn {name}()")).unwrap_or_else(|| panic!("there is no {shown_by}"));
            let mark = before.lines().rev().find(|line| line.starts_with("#[")).unwrap_or_default();
            assert!(mark.contains("test"), "{shown_by} is no test: {mark}");
        }
    }
}

#[test]
fn each_role_and_each_example_has_its_column() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| {
        let entries = std::fs::read_dir(root.join(folder)).expect(folder);
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    let examples = names("tests/actions").into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let stem = |path: std::path::PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut there: Vec<String> = examples.chain(names("roles")).map(stem).collect();
    there.sort();
    let mut columns = COLUMNS.map(str::to_owned).to_vec();
    columns.sort();
    assert_eq!(there, columns);
}

#[test]
fn what_the_runner_keeps_is_tried_on_the_example_of_that_way() {
    let examples = [("set_files", 0..3), ("batch_lines", 3..7), ("judge_files", 7..9)];
    for Promise { what, cells } in &PROMISES {
        for (example, actions) in &examples {
            assert_eq!(COLUMNS[actions.start], *example);
            let relies = actions.clone().any(|at| matches!(cells[at], Runner));
            assert!(!relies || matches!(cells[actions.start], Test(_)), "{what}: {example} does not show it");
        }
    }
}
