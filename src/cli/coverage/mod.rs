//! `switchboard coverage DIR|FILE`: which rule serves each country, for every OU and channel.
//!
//! `command` asks; the answer is a `table` for people, a `listing` in CSV or JSON, or a `page` with a map.

mod command;
mod listing;
mod page;
mod table;

pub(super) use command::run;
