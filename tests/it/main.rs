//! The tests against real things: one binary, so that it links once. Each module says which servers it starts.
#![allow(missing_docs, reason = "tests name themselves")]

mod support;

mod ansible;
mod architecture;
mod author;
mod check;
mod completions;
mod containers;
mod derive;
mod digests;
mod dist;
mod drill;
mod engine;
mod examples;
mod finding;
mod history;
mod images;
mod indexes;
mod jenkins;
mod kubernetes;
mod leaders;
mod manual;
mod marathon;
mod matrix;
mod on_kubernetes;
mod operators;
mod pictures;
mod pipeline;
mod program;
mod ran;
mod readme;
mod registry;
mod reliability;
mod runner;
mod secrets;
mod sets;
mod sql;
mod static_programs;
mod temporary;
mod terminal;
mod transactions;
mod undo;
