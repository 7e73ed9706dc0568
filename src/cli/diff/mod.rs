//! `switchboard diff`: the decisions that an edit changes, and the answers to recorded queries that it changes.
//!
//! `command` compares, `text` and `json` print the changes: the first folded for people, the second all of them.

mod command;
mod json;
mod text;

pub(super) use command::run;
