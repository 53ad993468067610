//! Templates: Jinja as the files of such tests write it, with Python's methods, slices and `%`.
//!
//! A text that is one expression alone (`'{{ x }}'`) gives the expression's own value, so that a number stays a number and a text of
//! digits a text. Everything else gives a text, of which [`Value::read`] says what it is. Nothing is rendered twice, and nothing that
//! comes out is ever run.

mod convert;
mod fake;
mod filters;
mod methods;
mod percent;
mod time;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::scope::Scope;
use super::value::Value;
pub(super) use fake::uuid;
pub use time::Clock;

/// How much a template may do: a loop of a few hundred thousand turns is within it, one without an end is not.
const FUEL: u64 = 20_000_000;

/// What compiles and runs templates.
static JINJA: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut jinja = Environment::new();
    // An unknown variable is an error; only `{% if x %}` may ask.
    jinja.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    jinja.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    jinja.set_recursion_limit(100);
    jinja.set_fuel(Some(FUEL));
    jinja.set_unknown_method_callback(methods::call);
    filters::add(&mut jinja);
    fake::add(&mut jinja);
    time::add(&mut jinja);
    jinja
});

/// What stands for a variable that a later step registers: it prints as nothing, and has no members.
static PENDING: LazyLock<minijinja::Value> = LazyLock::new(|| {
    let silent = JINJA.compile_expression("1 if false").and_then(|expression| expression.eval(()));
    silent.expect("an expression without variables")
});

/// A template.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    /// The one expression that it is, if it is one.
    expression: Option<String>,
    /// The variables that it names.
    names: BTreeSet<String>,
}

impl Template {
    /// Whether a text is one: it has a brace of Jinja's.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
    }

    /// The template of a text.
    ///
    /// # Errors
    /// When it is none: what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let source = percent::rewritten(text);
        let jinja: &Environment<'_> = &JINJA;
        let template = jinja.template_from_str(&source).map_err(|error| told(&error))?;
        let inner = source.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
        let inner =
            inner.map(|text| text.trim_matches('-')).filter(|text| !text.contains("{{") && !text.contains("}}"));
        let expression = inner.filter(|text| source.trim() == source && jinja.compile_expression(text).is_ok());
        let globals: BTreeSet<&str> = jinja.globals().map(|(name, _)| name).collect();
        let names = template.undeclared_variables(false);
        let names = names.into_iter().filter(|name| !globals.contains(name.as_str())).collect();
        Ok(Self { expression: expression.map(str::to_owned), names, source })
    }

    /// The variables that must be there: those that it names, unless it asks itself whether they are there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let asks = ["is defined", "is not defined", "is undefined", "default(", "|d(", "| d("];
        let asks = asks.iter().any(|mark| self.source.contains(mark));
        self.names.iter().map(String::as_str).filter(move |_| !asks)
    }

    /// What it gives with these variables.
    ///
    /// # Errors
    /// When it names a variable that is not there, or does what cannot be done.
    pub fn render(&self, scope: &Scope) -> Result<Value, String> {
        if let Some(expression) = &self.expression {
            let jinja: &Environment<'_> = &JINJA;
            let expression = jinja.compile_expression(expression).map_err(|error| told(&error))?;
            let result = expression.eval(scope.view()).map_err(|error| self.explain(&error, scope))?;
            // What is not there is an error by its printing, unless it may be empty.
            if !result.is_undefined() {
                return Ok(convert::from_jinja(&result));
            }
        }
        Ok(Value::read(&self.text(scope)?))
    }

    /// The text that it gives with these variables, whatever that says.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn text(&self, scope: &Scope) -> Result<String, String> {
        let jinja: &Environment<'_> = &JINJA;
        let template = jinja.template_from_str(&self.source).map_err(|error| told(&error))?;
        template.render(scope.view()).map_err(|error| self.explain(&error, scope))
    }

    /// What went wrong, with the names of what was not there.
    fn explain(&self, error: &Error, scope: &Scope) -> String {
        if error.kind() != ErrorKind::UndefinedError {
            return format!("'{}': {}", self.source.trim(), told(error));
        }
        if let Some(name) = self.names.iter().find(|name| !scope.has(name)) {
            return scope.unknown(name);
        }
        let jinja: &Environment<'_> = &JINJA;
        let paths = jinja.template_from_str(&self.source).map(|template| template.undeclared_variables(true));
        let paths = paths.unwrap_or_default();
        let is_missing = |path: &str| {
            let value = jinja.compile_expression(path).and_then(|expression| expression.eval(scope.view()));
            value.is_ok_and(|value| value.is_undefined())
        };
        // Of `a.b.c` it may be `a.b` that is not there.
        let part = |path: &String| {
            let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
            ends.map(|end| path[..end].to_owned()).find(|part| is_missing(part))
        };
        let missing: BTreeSet<String> = paths.iter().filter_map(part).collect();
        let missing: Vec<String> = missing.into_iter().collect();
        let named = if missing.is_empty() { "something".to_owned() } else { missing.join(", ") };
        format!("'{}': {named} is not there", self.source.trim())
    }
}

/// What Jinja says is wrong.
fn told(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let hint = if what.contains("unsupported types") && what.contains("string") {
        ": a text of digits is a text here, so write `x | asint` or `x | asfloat`"
    } else {
        ""
    };
    format!("{what}{cause}{hint}")
}

/// A variable as Jinja sees it.
pub(super) fn seen(value: &Value) -> minijinja::Value {
    convert::to_jinja(value)
}

/// A variable that a later step registers, as Jinja sees it.
pub(super) fn pending() -> minijinja::Value {
    PENDING.clone()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::scope::Layer;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        let document = r#"{"n": 5, "digits": "12", "word": " Hello ", "list": [1, 2, 3], "map": {"a": {"b": 1}},
            "big": 123456789012345678901234567890123456789012345678901234567890, "price": 0.12345678901234567890, "none": null}"#;
        let Some(Value::Map(map)) = Value::parse(document) else { panic!("a map") };
        for (name, value) in map.0 {
            scope.set(Layer::Test, &name.to_string(), value);
        }
        scope.set(Layer::Test, "evil", "{{ 1 + 1 }} __import__('os').system('touch /tmp/evil')".into());
        scope
    }

    fn rendered(text: &str) -> String {
        match Template::new(text).and_then(|template| template.render(&scope())) {
            Ok(value) => value.repr(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn one_expression_gives_its_own_value_and_everything_else_a_text_that_is_read() {
        for (text, value) in [
            ("{{ n + 1 }}", "6"),
            ("{{ digits }}", "'12'"),
            ("{{ none }}", "None"),
            ("{{ list }}", "[1, 2, 3]"),
            ("{{ big }}", "123456789012345678901234567890123456789012345678901234567890"),
            ("{{ price }}", "0.12345678901234567890"),
            ("{{ map.a }}", "{'b': 1}"),
            ("{{ n }}{{ n }}", "55"),
            ("0{{ n }}", "'05'"),
            ("[{{ n }}, 'x']", "[5, 'x']"),
            ("a {{ list }} b {{ none }} {{ price }}", "'a [1, 2, 3] b None 0.12345678901234567890'"),
            ("{% if n > 3 %}yes{% endif %}", "'yes'"),
            ("{{ evil }}", r#""{{ 1 + 1 }} __import__('os').system('touch /tmp/evil')""#),
            ("1973-12-{{ 10 }}", "'1973-12-10'"),
            ("{{ n == 5 and not none }}", "True"),
        ] {
            assert_eq!(rendered(text), value, "{text}");
        }
    }

    #[test]
    fn python_s_methods_slices_and_percent_work() {
        for (text, value) in [
            ("{{ word.strip() }}", "'Hello'"),
            ("{{ word.strip()[:4] }}", "'Hell'"),
            ("{{ '7'.zfill(3) }}", "'007'"),
            ("{{ 'a,b'.split(',') }}", "['a', 'b']"),
            ("{{ '%s-%03d' % (word.strip(), n) }}", "'Hello-005'"),
            ("{{ 'x %s' % n }}", "'x 5'"),
            ("{{ \"%.2f\" % map.a.b }}!", "'1.00!'"),
            ("{{ 7 % 4 }}", "3"),
            ("{{ map.items()|list }}", "[['a', {'b': 1}]]"),
            ("{{ 'ä'.encode('utf-8') }}", "b'\\xc3\\xa4'"),
            ("{{ 'a-b'.partition('-') }}", "['a', '-', 'b']"),
            ("{{ ','.join(['a', 'b']) }}", "'a,b'"),
        ] {
            assert_eq!(rendered(text), value, "{text}");
        }
    }

    #[test]
    fn the_filters_of_catcher_work() {
        for (text, value) in [
            ("{{ 'test' | hash }}", "'098f6bcd4621d373cade4e832627b4f6'"),
            ("{{ 'test' | hash('sha1') }}", "'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3'"),
            ("{{ 'test' | b64encode }}", "'dGVzdA=='"),
            ("{{ 'dGVzdA==' | b64decode }}", "'test'"),
            ("{{ digits | asint + 1 }}", "13"),
            ("{{ '1.5' | asfloat }}", "1.5"),
            ("{{ '[1, 2]' | aslist }}", "[1, 2]"),
            ("{{ \"{'a': 1}\" | asdict }}", "{'a': 1}"),
            ("{{ n | asstr }}", "'5'"),
            ("{{ 'x' | hash('crc') }}", "error: ''x' | hash('crc')': "),
        ] {
            let rendered = rendered(text);
            assert!(
                rendered == value || (value.starts_with("error") && rendered.contains("crc")),
                "{text}: {rendered}"
            );
        }
        let reverted = "{{ 1795874521.123456 | asdate | astimestamp }}";
        assert_eq!(rendered(reverted), "1795874521.123456");
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (text, error) in [
            ("{{ wordy }}", "error: there is no variable 'wordy'; the nearest is 'word'"),
            ("{{ wordy.strip() }}", "error: there is no variable 'wordy'; the nearest is 'word'"),
            ("{{ map.x }}", "error: '{{ map.x }}': map.x is not there"),
            ("a {{ map.x.y }}", "error: 'a {{ map.x.y }}': map.x is not there"),
        ] {
            assert_eq!(rendered(text), error, "{text}");
        }
        assert!(Template::new("{{ a b }}").is_err() && Template::new("{% if %}").is_err());
    }

    #[test]
    fn a_provider_that_is_not_known_is_refused_by_name_and_others_give_something() {
        let unknown = rendered("{{ random('e-mail') }}");
        assert!(unknown.contains("'e-mail'") && unknown.contains("'email'"), "{unknown}");
        assert_eq!(rendered("{{ random('uuid4')|length }}"), "36");
        assert_eq!(rendered("{{ random_int(3, 3) }}"), "3");
        assert_eq!(rendered("{{ random_choice([7]) }}"), "7");
        assert_eq!(rendered("{{ '@' in random('email', 'de_DE') }}"), "True");
    }

    proptest! {
        #[test]
        fn a_text_that_is_filled_in_stays_as_it_is(text in "[^\\x00]*") {
            let mut scope = Scope::default();
            scope.set(Layer::Test, "x", Value::from(text.as_str()));
            let template = Template::new("{{ x }}").expect("a template");
            prop_assert_eq!(template.render(&scope), Ok(Value::from(text)));
        }

        #[test]
        fn any_template_ends(text in any::<String>()) {
            if let Ok(template) = Template::new(&text) {
                let _ = template.render(&scope());
            }
        }
    }
}
