//! The error of every command: the error of the generator, whose commands the load test has, too.

pub use generator::{Error, Result};

/// A key of a scenario whose value is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{key} {expected}")]
pub(crate) struct WrongValue {
    /// Path of the key, such as `reload.every`.
    pub(crate) key: String,
    /// Rest of the sentence that begins with the key, such as "must be 100ms or more".
    pub(crate) expected: String,
}

impl WrongValue {
    /// Returns an error for the key unless its value is right.
    pub(crate) fn unless(is_right: bool, key: &str, expected: &str) -> std::result::Result<(), Self> {
        is_right.then_some(()).ok_or_else(|| Self { key: key.to_owned(), expected: expected.to_owned() })
    }
}

impl From<WrongValue> for Error {
    fn from(wrong: WrongValue) -> Error {
        Error::Usage(wrong.to_string())
    }
}
