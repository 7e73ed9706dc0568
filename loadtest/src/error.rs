//! The error of every command: the error of the generator, whose commands the load test has, too.

pub use generator::{Error, Result};
