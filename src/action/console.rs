//! The terminal: the only module that prints. Stdout is the result, stderr the talk; colours, bars and prompts only
//! where a terminal is.

mod prompt;

use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use console::{Style, Term, measure_text_width};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::context;
use super::operator::Operator;
use super::report::{Cell, Report, Table, Tone};
use crate::watch::{Progress, Watch};
use prompt::Prompt;

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Tables and sentences, for people.
    #[default]
    Table,
    /// One JSON document on stdout.
    Json,
}

/// The terminal of an action.
pub struct Console {
    program: String,
    /// The terminal only prints line after line: its cursor cannot be moved.
    lines: bool,
    bars: MultiProgress,
    subjects: Mutex<BTreeMap<String, Subject>>,
    warnings: Mutex<Vec<String>>,
    /// Why something that was printed is not where stdout leads.
    unwritten: Mutex<Option<String>>,
    /// A prompt was shown, which hides the cursor.
    prompted: AtomicBool,
}

struct Subject {
    /// What was said of it first.
    begin: String,
    last: Progress,
    bar: Option<ProgressBar>,
}

impl Console {
    /// The console of a program.
    #[must_use]
    pub fn new(program: &str) -> Self {
        let lines = context::variable("TERM").is_none_or(|kind| kind == "dumb");
        Self {
            program: program.to_owned(),
            lines,
            bars: if lines {
                MultiProgress::with_draw_target(ProgressDrawTarget::hidden())
            } else {
                MultiProgress::new()
            },
            subjects: Mutex::default(),
            warnings: Mutex::default(),
            unwritten: Mutex::default(),
            prompted: AtomicBool::default(),
        }
    }

    /// Prints a text on stdout. What cannot be written is told by [`Self::end`].
    pub fn print(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        // Nobody reads on when a pipe is closed: there is nobody to tell of the error.
        if let Err(error) = written
            && error.kind() != ErrorKind::BrokenPipe
        {
            let mut unwritten = self.unwritten.lock().expect("no thread panics while it holds the error");
            unwritten.get_or_insert_with(|| error.to_string());
        }
    }

    /// The exit code of a program that is through. One whose result could not be written has not done what it was asked
    /// for, however it ended; `said` is what is told of that where nothing else was.
    pub fn end(&self, code: u8, said: &str) -> ExitCode {
        let unwritten = self.unwritten.lock().expect("no thread panics while it holds the error").take();
        let Some(why) = unwritten else { return code.into() };
        let ended = if code == 0 && !said.is_empty() { format!(". How it ended: {said}") } else { String::new() };
        self.error(&format!("failed to write to stdout: {why}{ended}"));
        code.max(1).into()
    }

    /// Shows no colours from now on, as `--no-color` asks; `NO_COLOR` is heeded anyway.
    pub fn no_colours(&self) {
        console::set_colors_enabled(false);
        console::set_colors_enabled_stderr(false);
    }

    /// Prints a table on stdout.
    pub fn table(&self, table: &Table) {
        self.print(render(table, console::colors_enabled()).trim_end());
    }

    /// Says what went wrong, on stderr.
    pub fn error(&self, message: &str) {
        let label = Style::new().for_stderr().red().bold().apply_to("error:");
        self.line(&format!("{} {label} {message}", self.program));
    }

    /// Says where the manual is.
    pub fn hint(&self) {
        self.line(&format!("See `{} --help`.", self.program));
    }

    /// Prints a report: as JSON, or its tables on stdout and its message where its outcome belongs.
    pub fn report(&self, report: &Report, format: Format) {
        self.clear_bars();
        let failed = report.outcome.exit_code() != 0;
        if format == Format::Json {
            let text = serde_json::to_string_pretty(report).expect("a report is plain data");
            self.print(&text);
        } else {
            for table in &report.tables {
                self.print(&render(table, console::colors_enabled()));
            }
            if !failed && !report.message.is_empty() {
                self.print(&report.message);
            }
        }
        if failed {
            self.error(&report.message);
        }
    }

    /// How each subject was last seen: what is left to say when a second interrupt leaves at once.
    #[must_use]
    pub fn last_seen(&self) -> String {
        let subjects = self.subjects.lock().expect("no thread panics while it holds the subjects");
        let seen = |(name, subject): (&String, &Subject)| {
            let last = describe(&subject.last);
            if last == subject.begin {
                format!("\n  {name}: {last}")
            } else {
                format!("\n  {name}: {}, {last}", subject.begin)
            }
        };
        let seen: Vec<String> = subjects.iter().map(seen).collect();
        format!("left at once, while services were being changed. They were last seen like this:{}", seen.concat())
    }

    /// What was warned of so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("no thread panics while it holds the warnings").clone()
    }

    /// Shows the cursor again: a prompt that was cut off had hidden it.
    pub fn restore(&self) {
        self.clear_bars();
        let term = Term::stderr();
        if self.prompted.load(Ordering::Relaxed) && term.is_term() && !self.lines {
            let _ = term.show_cursor();
        }
    }

    fn clear_bars(&self) {
        let _ = self.bars.clear();
    }

    /// Makes room for a prompt: what was looked at before is over.
    fn prompt(&self) -> Prompt {
        let subjects =
            std::mem::take(&mut *self.subjects.lock().expect("no thread panics while it holds the subjects"));
        subjects.into_values().filter_map(|subject| subject.bar).for_each(|bar| bar.finish_and_clear());
        self.clear_bars();
        self.prompted.store(true, Ordering::Relaxed);
        if self.lines { Prompt::Lines } else { Prompt::Keys }
    }

    fn line(&self, text: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        });
    }

    fn bar(&self, subject: &str) -> Option<ProgressBar> {
        // Where stdout goes elsewhere (`| tee`), what is written there would meet the bars on the screen.
        (!self.lines && std::io::stderr().is_terminal() && std::io::stdout().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("  {prefix:24!} {bar:20} {pos}/{len} {msg}")
                .expect("the template is valid")
                .progress_chars("━━╌");
            let bar = self.bars.add(ProgressBar::new(0).with_style(style).with_prefix(subject.to_owned()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        })
    }
}

impl Watch for Console {
    fn at(&self, name: &str, progress: &Progress) {
        let mut subjects = self.subjects.lock().expect("no thread panics while it holds the subjects");
        let known = subjects.get(name).map(|subject| subject.last.clone());
        let subject = subjects.entry(name.to_owned()).or_insert_with(|| Subject {
            begin: describe(progress),
            last: progress.clone(),
            bar: self.bar(name),
        });
        subject.last = progress.clone();
        if let Some(bar) = &subject.bar {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            bar.set_message(progress.note.clone());
        } else if news(known.as_ref(), progress) {
            self.line(&format!("  {name}: {}", describe(progress)));
        }
    }

    fn warn(&self, message: &str) {
        self.warnings.lock().expect("no thread panics while it holds the warnings").push(message.to_owned());
        let label = Style::new().for_stderr().yellow().apply_to("warning:");
        self.line(&format!("{} {label} {message}", self.program));
    }
}

#[async_trait]
impl Operator for Console {
    fn present(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    fn say(&self, text: &str) {
        self.line(text);
    }

    fn show(&self, table: &Table) {
        self.line(&render(table, console::colors_enabled_stderr()));
    }

    async fn choose(&self, question: &str, answers: &[String]) -> anyhow::Result<Option<usize>> {
        self.prompt().choose(question.to_owned(), answers.to_vec()).await
    }

    async fn confirm(&self, question: &str) -> anyhow::Result<bool> {
        self.prompt().confirm(question.to_owned()).await
    }

    async fn type_out(&self, question: &str, word: &str) -> anyhow::Result<bool> {
        Ok(self.ask(question).await? == word)
    }

    async fn ask(&self, question: &str) -> anyhow::Result<String> {
        Ok(self.prompt().text(question.to_owned()).await?.trim().to_owned())
    }
}

/// Whether it is worth a line where no bar can be drawn: something else goes on, or it is complete.
fn news(before: Option<&Progress>, now: &Progress) -> bool {
    before.is_none_or(|before| before.note != now.note || (before.done != now.done && now.done == now.total))
        && !(now.note.is_empty() && now.done < now.total)
}

fn describe(progress: &Progress) -> String {
    match progress.total {
        0 => progress.note.clone(),
        total => format!("{} of {total} {}", progress.done, progress.note).trim_end().to_owned(),
    }
}

/// Tables as text without colours.
#[must_use]
pub fn plain(tables: &[Table]) -> String {
    let texts: Vec<_> = tables.iter().map(|table| render(table, false)).collect();
    texts.join("\n").trim_end().to_owned()
}

fn render(table: &Table, colours: bool) -> String {
    let rows = || {
        std::iter::once(&table.head)
            .map(|head| head.iter().map(String::as_str).collect::<Vec<_>>())
            .chain(table.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect()))
    };
    let width = |column: usize| rows().filter_map(|row| row.get(column).map(|text| measure_text_width(text))).max();
    let widths: Vec<usize> = (0..table.head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let row = |cells: Vec<(Style, &str)>| {
        let mut line = String::new();
        for (column, (style, text)) in cells.into_iter().enumerate() {
            let padding = " ".repeat(widths[column].saturating_sub(measure_text_width(text)));
            let more = if column + 1 < widths.len() { format!("{padding}  ") } else { String::new() };
            line += &(paint(style, text, colours) + &more);
        }
        line.trim_end().to_owned()
    };
    let mut lines: Vec<String> = Some(&table.title).filter(|title| !title.is_empty()).into_iter().cloned().collect();
    if !table.rows.is_empty() && table.head.iter().any(|name| !name.is_empty()) {
        lines.push(row(table.head.iter().map(|text| (Style::new().bold(), text.as_str())).collect()));
    }
    for cells in &table.rows {
        lines.push(row(cells.iter().map(|cell| (style(cell), cell.text.as_str())).collect()));
    }
    lines.extend(table.legend.iter().cloned());
    lines.join("\n") + "\n"
}

fn style(cell: &Cell) -> Style {
    match cell.tone {
        Tone::Plain => Style::new(),
        Tone::Quiet => Style::new().dim(),
        Tone::Good => Style::new().green(),
        Tone::Bad => Style::new().red(),
    }
}

fn paint(style: Style, text: &str, colours: bool) -> String {
    style.force_styling(colours).apply_to(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_a_table_in_columns_and_without_colours_where_none_are_wanted() {
        let table = Table {
            title: "two columns".into(),
            head: vec!["date".into(), "billing".into()],
            rows: vec![vec!["2026-11-20".into(), Cell::new(Tone::Bad, "–")], vec!["x".into(), "1.4.0-develop".into()]],
            legend: vec!["– none".into()],
        };
        assert_eq!(
            render(&table, false),
            "two columns\ndate        billing\n2026-11-20  –\nx           1.4.0-develop\n– none\n"
        );
        assert!(render(&table, true).contains("\u{1b}[31m–"));
    }

    #[test]
    fn without_a_bar_only_news_is_worth_a_line() {
        let at = |done, note: &str| Progress { done, total: 2, note: note.to_owned() };
        assert!(!news(None, &at(0, "")));
        assert!(news(Some(&at(1, "")), &at(2, "")));
        assert!(news(Some(&at(0, "pulling")), &at(0, "starting")));
        assert!(!news(Some(&at(0, "starting")), &at(1, "starting")));
    }
}
