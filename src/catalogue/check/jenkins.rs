//! Rules over Jenkinsfiles, by their text. What a pipeline does when it runs is the harness's to say.

use std::path::Path;

use super::groovy::Literal;
use super::stock::{Pipeline, Stock};
use super::{Violation, meant};

impl Pipeline {
    fn violation(&self, at: usize, finding: impl Into<String>, fix: impl Into<String>) -> Violation {
        Violation::at(&self.path, self.groovy.line(at), finding, fix)
    }
}

/// What is evaluated when a string is read: `${…}`, `$name`.
fn is_filled(string: &Literal) -> bool {
    string.live
        && string.text.match_indices('$').any(|(at, _)| {
            string.text[at + 1..].starts_with(|c: char| c == '{' || c.is_alphabetic())
                && !string.text[..at].ends_with('\\')
        })
}

/// `extraVars`, which becomes `-e name=value`: a space in a value begins another variable.
pub fn extra_vars(pipeline: &Pipeline, _: &Stock) -> Vec<Violation> {
    let groovy = &pipeline.groovy;
    let named = groovy.words("extraVars").into_iter().filter(|at| groovy.code[at + 9..].trim_start().starts_with(':'));
    let violation = |at| {
        let finding = "extraVars sends `-e name=value`, in which a space begins another variable";
        pipeline.violation(at, finding, "write the values by writeJSON, and give `extras: '-e @file.json'`")
    };
    named.map(violation).collect()
}

/// `-e name=${…}`: what somebody typed is read as several variables, or evaluated.
pub fn typed_extras(pipeline: &Pipeline, _: &Stock) -> Vec<Violation> {
    let code = &pipeline.groovy.code;
    let typed = pipeline.groovy.strings.iter().filter(|string| {
        let words: Vec<&str> = string.text.split_whitespace().collect();
        let variables =
            words.windows(2).filter(|pair| pair[0] == "-e" || pair[0] == "--extra-vars").map(|pair| pair[1]);
        let joined =
            words.iter().filter_map(|word| word.strip_prefix("--extra-vars=").or_else(|| word.strip_prefix("-e")));
        let mut values = variables.chain(joined).map(|word| word.trim_start_matches(['"', '\'', '\\']));
        let goes_on = code[string.range.end.min(code.len())..].trim_start().starts_with('+');
        values.any(|value| {
            !value.starts_with('@') && value.contains('=') && (is_filled(string) || (goes_on && value.ends_with('=')))
        })
    });
    let violation = |string: &Literal| {
        let finding = "a value is put behind `-e name=`, in which a space begins another variable";
        pipeline.violation(string.range.start, finding, "write the values by writeJSON, and give `-e @file.json`")
    };
    typed.map(violation).collect()
}

/// `sh "… ${params.x}"`: what somebody typed is run by the shell.
pub fn typed_shell(pipeline: &Pipeline, _: &Stock) -> Vec<Violation> {
    let code = &pipeline.groovy.code;
    let typed = pipeline.groovy.strings.iter().filter(|string| {
        let before = code[..string.range.start].trim_end();
        let before = before.strip_suffix('(').unwrap_or(before).trim_end();
        let before = before
            .strip_suffix(':')
            .map_or(before, |before| before.trim_end().strip_suffix("script").unwrap_or(before).trim_end());
        let before = before.strip_suffix('(').unwrap_or(before).trim_end();
        let step = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').next().unwrap_or_default();
        let filled = string.live && ["${params", "$params", "${ params"].iter().any(|word| string.text.contains(word));
        // `sh(returnStdout: true, script: "…")`
        let named = before.ends_with(',') && before.lines().last().is_some_and(|line| line.contains("sh"));
        filled && (["sh", "bat", "powershell", "pwsh"].contains(&step) || named)
    });
    let violation = |string: &Literal| {
        let finding = "what somebody typed is put into a script, which the shell runs";
        pipeline.violation(
            string.range.start,
            finding,
            "use single quotes and \"$name\": each parameter is in the environment",
        )
    };
    typed.map(violation).collect()
}

/// A run without a lock around it: two people press the button at once.
pub fn lock(pipeline: &Pipeline, _: &Stock) -> Vec<Violation> {
    const PLAY: &str = "ansiblePlaybook";
    let groovy = &pipeline.groovy;
    let plans = |at: usize| {
        groovy.words(PLAY).into_iter().any(|step| {
            let given = groovy.given(step + PLAY.len());
            (step..step + PLAY.len() + given.len()).contains(&at) && given.contains("checkMode: true")
        })
    };
    let locked = |at: usize| {
        groovy.around(at).iter().any(|(head, block)| {
            let options = block.find("options").and_then(|options| block[options..].split_once('}'));
            head.contains("lock") || options.is_some_and(|(options, _)| options.contains("lock"))
        })
    };
    let acts =
        groovy.arguments("tags").filter(|tags| tags.text.split(',').any(|tag| !["", "get"].contains(&tag.trim())));
    let mut open = acts.map(|tags| tags.range.start).filter(|at| !plans(*at) && !locked(*at));
    let Some(at) = open.next() else { return Vec::new() };
    let role = pipeline.path.parent().and_then(Path::file_name).map_or("role".into(), |name| name.to_string_lossy());
    let finding = "it runs without a lock, so two builds can act at once";
    let fix = format!("put the run into `lock(\"{role}-${{params.environment}}\") {{ … }}`");
    vec![pipeline.violation(at, finding, fix)]
}

/// Where `input` stands as a step or a directive.
fn inputs(pipeline: &Pipeline) -> Vec<usize> {
    let code = &pipeline.groovy.code;
    let called = |at: &usize| {
        let rest = code[at + 5..].trim_start_matches(' ');
        let near = rest.len() < code[at + 5..].len();
        rest.starts_with(['(', '{']) || (near && (rest.starts_with(['"', '\'']) || rest.starts_with("message")))
    };
    pipeline.groovy.words("input").into_iter().filter(called).collect()
}

/// `input` without an end: it waits for ever.
pub fn input_limit(pipeline: &Pipeline, _: &Stock) -> Vec<Violation> {
    let limited = |at: &usize| {
        pipeline.groovy.around(*at).iter().any(|(head, block)| {
            // The directive of a stage and of the pipeline ends all that is in it.
            let options = block.find("options").map(|options| &block[options..]);
            let options = options.and_then(|options| options.split_once('}')).map(|(options, _)| options);
            head.contains("timeout") || options.is_some_and(|options| options.contains("timeout"))
        })
    };
    let violation = |at| {
        let finding = "this input waits for ever where nobody answers";
        pipeline.violation(at, finding, "put it into `timeout(time: 30, unit: 'MINUTES') { … }`")
    };
    inputs(pipeline).into_iter().filter(|at| !limited(at)).map(violation).collect()
}

/// `input` that everybody may answer.
pub fn input_submitter(pipeline: &Pipeline, _: &Stock) -> Vec<Violation> {
    let named = |at: &usize| {
        let given = pipeline.groovy.given(at + 5);
        given.match_indices("submitter").any(|(at, word)| !given[at + word.len()..].starts_with("Parameter"))
    };
    let violation = |at| {
        let finding = "everybody who may see the job can answer this input";
        pipeline.violation(at, finding, "name who may, as in `submitter: 'firebreak-operators'`")
    };
    inputs(pipeline).into_iter().filter(|at| !named(at)).map(violation).collect()
}

/// `JsonSlurper`, whose maps Jenkins cannot keep.
pub fn slurper(pipeline: &Pipeline, _: &Stock) -> Vec<Violation> {
    let named = pipeline.groovy.code.match_indices("JsonSlurper");
    let violation = |(at, _)| {
        let finding = "what JsonSlurper reads cannot be kept over a step, and the sandbox refuses it";
        pipeline.violation(at, finding, "write `readJSON(file: 'x.json', returnPojo: true)`")
    };
    let mut violations: Vec<Violation> = named.map(violation).collect();
    violations.truncate(1);
    violations
}

/// A pipeline that holds an agent while it waits for an answer.
pub fn agent(pipeline: &Pipeline, _: &Stock) -> Vec<Violation> {
    let groovy = &pipeline.groovy;
    let Some(start) = groovy.words("pipeline").first().copied() else { return Vec::new() };
    let body = groovy.given(start + 8);
    // In the pipeline's own block: that of a stage says nothing of the others.
    let own = groovy.words("agent").into_iter().filter(|at| groovy.around(*at).len() == 1);
    let none = own.map(|at| groovy.code[at + 5..].trim_start()).any(|agent| agent.starts_with("none"));
    if none || inputs(pipeline).is_empty() || !body.trim_start().starts_with('{') {
        return Vec::new();
    }
    let finding = "an agent is held while somebody is asked";
    vec![pipeline.violation(start, finding, "write `agent none` at the top, and an agent in each stage that needs one")]
}

/// A playbook or an inventory that is not there.
pub fn path(pipeline: &Pipeline, stock: &Stock) -> Vec<Violation> {
    let mut violations = Vec::new();
    for name in ["playbook", "inventory"] {
        for string in pipeline.groovy.arguments(name) {
            let goes_on = pipeline.groovy.code[string.range.end..].trim_start().starts_with('+');
            let path = string.text.trim_start_matches("./");
            if goes_on || path.is_empty() || path.starts_with(['/', '$']) || path.contains(',') || is_there(stock, path)
            {
                continue;
            }
            let folder = if name == "playbook" { "playbooks" } else { "inventories" };
            let files: Vec<String> = stock.files(folder).iter().map(|path| path.display().to_string()).collect();
            let fix = meant(path, files.iter().map(String::as_str), &format!("name a file of {folder}/"));
            violations.push(pipeline.violation(string.range.start, format!("there is no {name} '{path}'"), fix));
        }
    }
    violations
}

/// Whether there is a file, or one for some value of each `${…}`.
fn is_there(stock: &Stock, path: &str) -> bool {
    let Some((before, rest)) = path.split_once('$') else { return stock.path(Path::new(path)).exists() };
    let folder = before.rsplit_once('/').map_or("", |(folder, _)| folder);
    // What stands behind the last value: `${environment}/hosts.ini`, `$environment/hosts.ini`.
    let last = rest.rsplit('$').next().unwrap_or_default();
    let name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let end = if last.starts_with('{') {
        last.split_once('}').map_or("", |(_, end)| end)
    } else {
        last.trim_start_matches(name)
    };
    let fits = |path: &str| path.len() >= before.len() + end.len() && path.starts_with(before) && path.ends_with(end);
    if folder.is_empty() {
        return true;
    }
    let files = stock.files(folder).into_iter();
    let mut all = files.flat_map(|file| file.ancestors().map(|path| path.display().to_string()).collect::<Vec<_>>());
    all.any(|path| fits(&path))
}

/// What `withCredentials` takes.
const BINDINGS: [&str; 6] =
    ["string", "file", "usernamePassword", "usernameColonPassword", "sshUserPrivateKey", "certificate"];

/// A credential that begins as ours do, and that belongs to no variable of the role.
pub fn credential(pipeline: &Pipeline, stock: &Stock) -> Vec<Violation> {
    let mut parts = pipeline.path.iter().skip_while(|part| *part != "roles").skip(1);
    let role = parts.next().map(|name| name.to_string_lossy().into_owned());
    let Some(role) = stock.roles.iter().find(|known| Some(&known.name) == role.as_ref()) else { return Vec::new() };
    let known: Vec<&str> = role.variables.iter().filter_map(|variable| variable.credential.as_deref()).collect();
    let named: Vec<usize> = pipeline.groovy.arguments("credentialsId").map(|string| string.range.start).collect();
    let mut violations = Vec::new();
    for string in &pipeline.groovy.strings {
        // `credentials("…")`, and `string(variable: …, credentialsId: "…")`; not that of a step.
        let bound = match pipeline.groovy.call_around(string.range.start) {
            "credentials" => true,
            call => BINDINGS.contains(&call) && named.contains(&string.range.start),
        };
        let Some(name) = string.text.strip_prefix("firebreak-").filter(|_| bound) else { continue };
        let fits = |known: &&str| {
            name == *known
                || name.strip_suffix(*known).is_some_and(|before| before.ends_with('-') && !before.contains("}-"))
        };
        let ending = name.rsplit_once("}-").map_or(name, |(_, ending)| ending);
        if !known.contains(&ending) && !known.iter().any(fits) {
            let secrets = known.join(", ");
            let otherwise =
                format!("the secrets of {} are: {}", role.name, if secrets.is_empty() { "none" } else { &secrets });
            let fix = super::nearest(ending, known.iter().copied())
                .map_or(otherwise, |near| format!("end it with `-{near}`"));
            violations.push(pipeline.violation(
                string.range.start,
                format!("no variable has the credential '{}'", string.text),
                fix,
            ));
        }
    }
    violations
}
