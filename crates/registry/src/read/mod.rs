//! Reads files into values. Reads on after a fault, so that one run reports every fault with its line.
//!
//! A faulty value is left out of the model or replaced by its default, and is reported once. `toml` and
//! `recover` read TOML, `sheet` reads CSV, `value` what is written alike in both; each other file reads one
//! kind of file.

mod accounts;
mod channels;
mod company;
mod expectations;
mod layout;
mod recover;
mod registry;
mod sheet;
mod toml;
mod value;

pub(crate) use recover::sections;
pub use registry::read;
pub(crate) use toml::Lines;
