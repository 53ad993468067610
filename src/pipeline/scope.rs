//! The variables of a test, in layers: who wins stands in one list.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value as Jinja;
use minijinja::value::Object;

use super::template;
use super::value::Value;
use crate::action::arguments::nearest;

/// Where a variable comes from. What stands lower in this list wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The environment of this process.
    Environment,
    /// The inventory.
    Inventory,
    /// What an include that ran before has left.
    Earlier,
    /// What is built in, such as `TEST_NAME`.
    BuiltIn,
    /// The `variables` of the test.
    Test,
    /// The `variables` that an include is given.
    Include,
    /// `-e` of the command line.
    CommandLine,
    /// What a step has registered, and what `run` gives.
    Registered,
    /// Of the step that is under way: `OUTPUT`, `ITEM`.
    Step,
}

/// The number of layers.
const LAYERS: usize = 9;

/// What is built in and is another one each time that it is asked for.
const FRESH: [&str; 4] = ["RANDOM_STR", "RANDOM_INT", "NOW_TS", "NOW_DT"];

/// The names that are built in, which every test may use.
pub const BUILT_IN: [&str; 12] = [
    "OUTPUT",
    "ITEM",
    "TEST_NAME",
    "CURRENT_DIR",
    "RESOURCES_DIR",
    "INVENTORY",
    "INVENTORY_FILE",
    "RANDOM_STR",
    "RANDOM_INT",
    "NOW_TS",
    "NOW_DT",
    "ERROR",
];

/// The variables of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    layers: [Arc<IndexMap<String, Value>>; LAYERS],
    /// The names that some step registers, which are empty until then.
    pending: Arc<BTreeSet<String>>,
}

impl Scope {
    /// Sets a variable in a layer.
    pub fn set(&mut self, layer: Layer, name: &str, value: Value) {
        Arc::make_mut(&mut self.layers[layer as usize]).insert(name.to_owned(), value);
    }

    /// Takes a variable out of a layer.
    pub fn remove(&mut self, layer: Layer, name: &str) {
        if self.layers[layer as usize].contains_key(name) {
            Arc::make_mut(&mut self.layers[layer as usize]).shift_remove(name);
        }
    }

    /// The variables of a layer.
    #[must_use]
    pub fn layer(&self, layer: Layer) -> &IndexMap<String, Value> {
        &self.layers[layer as usize]
    }

    /// Puts these variables in the place of a layer's.
    pub fn replace(&mut self, layer: Layer, variables: IndexMap<String, Value>) {
        self.layers[layer as usize] = Arc::new(variables);
    }

    /// Notes the names that some step registers.
    pub fn expect(&mut self, names: impl IntoIterator<Item = String>) {
        Arc::make_mut(&mut self.pending).extend(names);
    }

    /// A variable, by the layer that wins.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.layers.iter().rev().find_map(|layer| layer.get(name))
    }

    /// Whether a name stands for anything, at least later.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some() || self.pending.contains(name) || FRESH.contains(&name)
    }

    /// Every name once, with what it stands for.
    #[must_use]
    pub fn all(&self) -> IndexMap<&str, &Value> {
        self.layers.iter().flat_map(|layer| layer.iter()).map(|(name, value)| (name.as_str(), value)).collect()
    }

    /// What to say of a name that stands for nothing.
    #[must_use]
    pub fn unknown(&self, name: &str) -> String {
        let environment = self.layer(Layer::Environment);
        let names = self.layers[1..].iter().flat_map(|layer| layer.keys());
        let names = names.chain(self.pending.iter()).map(String::as_str).chain(BUILT_IN);
        let near = nearest(name, names).or_else(|| nearest(name, environment.keys().map(String::as_str)));
        let near = near.map(|near| format!("; the nearest is '{near}'")).unwrap_or_default();
        format!("there is no variable '{name}'{near}")
    }

    /// The variables as Jinja sees them.
    pub(super) fn view(&self) -> Jinja {
        Jinja::from_object(View(self.clone()))
    }
}

#[derive(Debug)]
struct View(Scope);

impl Object for View {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let name = key.as_str()?;
        if let Some(value) = self.0.get(name) {
            return Some(template::seen(value));
        }
        match name {
            "RANDOM_STR" => Some(Jinja::from(template::uuid())),
            "RANDOM_INT" => Some(Jinja::from(fastrand::i32(..))),
            "NOW_TS" => Some(template::seen(&template::Clock::timestamp())),
            "NOW_DT" => Some(template::seen(&template::Clock::written())),
            _ => self.0.pending.contains(name).then(template::pending),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::template::Template;

    #[test]
    fn what_stands_lower_in_the_list_of_layers_wins() {
        use Layer::{BuiltIn, CommandLine, Earlier, Environment, Include, Inventory, Registered, Step, Test};
        let mut scope = Scope::default();
        for layer in [Environment, Inventory, Earlier, BuiltIn, Test, Include, CommandLine, Registered, Step] {
            scope.set(layer, "x", Value::from(format!("{layer:?}")));
            assert_eq!(scope.get("x"), Some(&Value::from(format!("{layer:?}"))));
        }
        assert_eq!(scope.all().len(), 1);
    }

    #[test]
    fn what_a_later_step_registers_is_empty_and_has_no_members() {
        let mut scope = Scope::default();
        scope.expect(["later".to_owned()]);
        let render = |text: &str| Template::new(text).and_then(|template| template.render(&scope));
        assert_eq!(render("{{ later }}"), Ok(Value::from("")));
        assert_eq!(render("{{ later is defined }}"), Ok(Value::Bool(false)));
        assert!(render("{{ later.x }}").is_err());
        assert!(render("{{ RANDOM_STR }}").is_ok() && render("{{ NOW_TS }}").is_ok());
    }
}
