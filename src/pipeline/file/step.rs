//! Steps, as the definitions of their modules say.

use super::read::{OPERATORS, Reader};
use super::{Data, Field, Form, RunIf, Step, Until};
use crate::pipeline::module::definition::{Argument, COMMON, Kind, Shape};
use crate::pipeline::module::{self, Module};
use crate::pipeline::value::Value;
use crate::yaml::{self, Node};

type Member<'a> = (&'a str, &'a Node, &'a Node);

/// What the items of `actions` have of the step that they are in.
#[derive(Default)]
struct Outer<'a> {
    ignore_errors: Option<&'a Node>,
    tag: Option<&'a Node>,
    run_if: Option<&'a Node>,
}

impl Reader {
    /// Steps: a list of them, or one.
    pub fn steps(&mut self, node: &Node) -> Vec<Step> {
        match &node.value {
            yaml::Value::List(items) => items.iter().flat_map(|item| self.step(item)).collect(),
            _ if node.is_null() => Vec::new(),
            _ => self.step(node),
        }
    }

    /// A step, or several where it has `actions`.
    fn step(&mut self, node: &Node) -> Vec<Step> {
        if !matches!(node.value, yaml::Value::Map(_)) {
            self.wrong(self.place(node), "a step is expected here: `echo: {from: x}`");
            return Vec::new();
        }
        let members = self.members(node);
        let [(name, key, body)] = members.as_slice() else {
            let names: Vec<&str> = members.iter().map(|(name, ..)| *name).collect();
            let what = format!(
                "a step has one key, the name of its module, and this one has {}: is it indented rightly?",
                names.join(", ")
            );
            self.wrong(self.place(node), if names.is_empty() { "a step is expected here".to_owned() } else { what });
            return Vec::new();
        };
        let module = match module::named(name) {
            Ok(module) => module,
            Err(why) => {
                self.wrong(self.place(key), why);
                return Vec::new();
            }
        };
        self.writes |= matches!(*name, "sh");
        let is_map = matches!(body.value, yaml::Value::Map(_));
        let body_members = if is_map { self.members(body) } else { Vec::new() };
        let find = |name: &str| body_members.iter().find(|(key, ..)| *key == name).map(|(.., value)| *value);
        let Some(actions) = find("actions") else {
            return self.body(module, key, body, &Outer::default()).into_iter().collect();
        };
        let outer = Outer { ignore_errors: find("ignore_errors"), tag: find("tag"), run_if: find("run_if") };
        let allowed = ["actions", "ignore_errors", "tag", "run_if", "name"];
        for (_, key, _) in body_members.iter().filter(|(name, ..)| !allowed.contains(name)) {
            self.unknown(key, &allowed, "a step with `actions`, whose items have the rest");
        }
        if !matches!(actions.value, yaml::Value::List(_)) {
            self.wrong(self.place(actions), "`actions` is a list");
        }
        actions.items().iter().filter_map(|item| self.body(module, item, item, &outer)).collect()
    }

    fn body(&mut self, module: &'static dyn Module, at: &Node, node: &Node, outer: &Outer<'_>) -> Option<Step> {
        let definition = module.definition();
        let mut step = Step {
            place: self.place(at),
            module,
            command: "",
            fields: Vec::new(),
            name: None,
            register: Vec::new(),
            ignore_errors: outer.ignore_errors.map(|node| self.data(node)),
            tag: outer.tag.and_then(|node| self.plain_text(node, "a tag")),
            skip_if: None,
            run_if: outer.run_if.map(|node| self.run_if(node)).unwrap_or_default(),
            until: None,
        };
        let is_map = matches!(node.value, yaml::Value::Map(_));
        if !is_map && let Shape::Check = definition.shape {
            step.fields.push(("check", Field::Check(self.condition(node)?)));
            return Some(step);
        }
        if !is_map {
            let Some(short) = definition.short else {
                self.wrong(self.place(node), format!("`{}` takes a map of arguments", definition.name));
                return None;
            };
            if node.is_null() || matches!(node.value, yaml::Value::List(_)) {
                self.wrong(self.place(node), format!("`{}` takes a text, or a map of arguments", definition.name));
                return None;
            }
            step.fields.push((short, Field::Data(self.data(node))));
            return Some(step);
        }
        let members = self.members(node);
        let is_common = |(name, ..): &&Member<'_>| COMMON.iter().any(|argument| argument.name == *name);
        let (common, own): (Vec<&Member<'_>>, Vec<&Member<'_>>) = members.iter().partition(is_common);
        for (name, _, value) in common {
            self.common(&mut step, name, value);
        }
        match definition.shape {
            Shape::Arguments(arguments) => {
                step.fields = self.fields(&own, arguments, at, &format!("`{}`", definition.name), true);
            }
            Shape::Check => {
                let [(name, key, _)] = own.as_slice() else {
                    let known = OPERATORS.join(", ");
                    self.wrong(self.place(at), format!("`{}` takes one of {known}", definition.name));
                    return None;
                };
                if !OPERATORS.contains(name) {
                    let known: Vec<&str> =
                        OPERATORS.into_iter().chain(COMMON.iter().map(|argument| argument.name)).collect();
                    self.unknown(key, &known, "a check");
                    return None;
                }
                let condition =
                    Node { value: yaml::Value::Map(vec![(own[0].1.clone(), own[0].2.clone())]), ..node.clone() };
                step.fields.push(("check", Field::Check(self.condition(&condition)?)));
            }
            Shape::Commands(commands) => {
                let names: Vec<&str> = commands.iter().map(|command| command.name).collect();
                let [(name, key, value)] = own.as_slice() else {
                    self.wrong(self.place(at), format!("`{}` takes one of {}", definition.name, names.join(", ")));
                    return None;
                };
                let Some(command) = commands.iter().find(|command| command.name == *name) else {
                    let known: Vec<&str> =
                        names.into_iter().chain(COMMON.iter().map(|argument| argument.name)).collect();
                    self.unknown(key, &known, &format!("`{}`", definition.name));
                    return None;
                };
                step.command = command.name;
                let of = format!("`{} {}`", definition.name, command.name);
                let members = self.members(value);
                let members: Vec<&Member<'_>> = members.iter().collect();
                step.fields = self.fields(&members, command.arguments, key, &of, false);
            }
        }
        Some(step)
    }

    fn common(&mut self, step: &mut Step, name: &str, value: &Node) {
        match name {
            "name" => step.name = Some(self.data(value)),
            "register" => step.register = self.variables(value),
            "ignore_errors" => step.ignore_errors = Some(self.data(value)),
            "tag" => step.tag = self.plain_text(value, "a tag"),
            "skip_if" => step.skip_if = self.condition(value),
            "run_if" => step.run_if = self.run_if(value),
            "until" => step.until = Some(self.until(value)),
            _ => self.wrong(self.place(value), format!("`{name}` stands here already within `actions`")),
        }
    }

    fn run_if(&mut self, node: &Node) -> RunIf {
        match node.text() {
            Some("always") => RunIf::Always,
            Some("pass") => RunIf::Pass,
            Some("fail") => RunIf::Fail,
            _ => {
                self.wrong(self.place(node), "`run_if` is one of pass, fail and always");
                RunIf::Always
            }
        }
    }

    fn until(&mut self, node: &Node) -> Until {
        let mut until = Until { timeout: None, pause: None, factor: None, fail_if: None };
        for (name, key, value) in self.members(node) {
            match name {
                "timeout" => until.timeout = Some(self.number(value)),
                "pause" => until.pause = Some(self.number(value)),
                "factor" => until.factor = Some(self.number(value)),
                "fail_if" => until.fail_if = self.condition(value),
                _ => self.unknown(key, &["timeout", "pause", "factor", "fail_if"], "`until`"),
            }
        }
        until
    }

    fn number(&mut self, node: &Node) -> Data {
        let data = self.data(node);
        self.fits(&data, Kind::Number, "this");
        data
    }

    /// The arguments of a step, as a definition says; `beside` where the keys of every step stand beside them.
    fn fields(
        &mut self,
        members: &[&Member<'_>],
        arguments: &'static [Argument],
        at: &Node,
        of: &str,
        beside: bool,
    ) -> Vec<(&'static str, Field)> {
        let mut fields = Vec::new();
        for (name, key, value) in members {
            if let Some(command) = arguments.iter().find(|argument| argument.kind == Kind::Command)
                && arguments.iter().all(|argument| argument.name != *name)
            {
                if fields.iter().any(|(field, _)| *field == command.name) {
                    self.wrong(self.place(key), format!("{of} takes one command, and `{name}` is a second"));
                    continue;
                }
                let node = Node { value: yaml::Value::Map(vec![((*key).clone(), (*value).clone())]), ..(*key).clone() };
                fields.push((command.name, Field::Data(self.data(&node))));
                continue;
            }
            let Some(argument) = arguments.iter().find(|argument| argument.name == *name) else {
                let known = arguments.iter().map(|argument| argument.name);
                let known: Vec<&str> =
                    known.chain(COMMON.iter().filter(|_| beside).map(|argument| argument.name)).collect();
                self.unknown(key, &known, of);
                continue;
            };
            self.writes |= argument.name == "to";
            let field = match argument.kind {
                Kind::Check => self.condition(value).map(Field::Check),
                Kind::Steps => Some(Field::Steps(self.steps(value))),
                kind => {
                    let data = match (kind, &value.value) {
                        (Kind::Members(arguments), yaml::Value::Map(_)) => self.inner(name, key, value, arguments),
                        _ => self.data(value),
                    };
                    self.fits(&data, kind, &format!("`{name}`"));
                    Some(Field::Data(data))
                }
            };
            fields.extend(field.map(|field| (argument.name, field)));
        }
        for argument in arguments.iter().filter(|argument| argument.required) {
            let is_there = match argument.kind {
                Kind::Command => fields.iter().any(|(name, _)| *name == argument.name),
                _ => members.iter().any(|(name, ..)| *name == argument.name),
            };
            if !is_there {
                self.wrong(self.place(at), format!("{of} needs `{}`: {}", argument.name, argument.about));
            }
        }
        fields
    }

    /// A map with these keys, as data.
    fn inner(&mut self, name: &str, key: &Node, node: &Node, arguments: &'static [Argument]) -> Data {
        let members = self.members(node);
        let members: Vec<&Member<'_>> = members.iter().collect();
        let fields = self.fields(&members, arguments, key, &format!("`{name}`"), false);
        let members = fields.into_iter().filter_map(|(name, field)| {
            let Field::Data(data) = field else { return None };
            Some((Data { place: data.place.clone(), form: Form::Fixed(Value::from(name)) }, data))
        });
        Data { place: self.place(node), form: Form::Map(members.collect()) }
    }

    /// Notes where data cannot be of the kind that is asked for, whatever the variables are.
    fn fits(&mut self, data: &Data, kind: Kind, name: &str) {
        if let (Kind::Resources, Form::Map(members)) = (kind, &data.form) {
            for (_, file) in members {
                self.fits(file, Kind::Resource, name);
            }
            return;
        }
        let Some(value) = data.fixed() else { return };
        let said = value.text().and_then(Value::literal);
        let said = said.as_ref().unwrap_or(&value);
        let expected = match (kind, said) {
            (Kind::Number, said) if said.number().is_none() || matches!(said, Value::Bool(_)) => "a number",
            (Kind::Flag, said) if !matches!(said, Value::Bool(_)) => "true or false",
            (Kind::Map | Kind::Members(_) | Kind::Resources, said) if !matches!(said, Value::Map(_)) => "a map",
            (Kind::Text | Kind::Resource, Value::List(_) | Value::Map(_)) if value.text().is_none() => "a text",
            _ => {
                if let (Kind::Resource, Some(file)) = (kind, value.text()) {
                    self.resources.push((file.to_owned(), data.place.clone()));
                }
                return;
            }
        };
        self.wrong(data.place.clone(), format!("{name} is {}: {expected} is expected", value.kind()));
    }
}
