//! `switchboard coverage`: every row is what `select` answers, whichever way it is written.

mod agreement;
mod command;
mod page;
