//! `switchboard coverage`: the rule that serves each country, for every OU and channel.
//!
//! `command` prints it as CSV and JSON, `table` as text, and `page` as HTML with a map.

mod command;
mod page;
mod table;

pub(super) use command::run;
