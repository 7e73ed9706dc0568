//! `switchboard diff OLD NEW`: which decisions an edit changes, and which recorded queries.
//!
//! `command` asks; what comes out is `text` for people, folded by `fold`, or `json`, whole.

mod command;
mod fold;
mod json;
mod queries;
mod text;

pub(super) use command::run;
