//! What an operator can set: defaults, a file, flags; each wins over the one before it.
//! `config/switchboard.toml` lists every key with its default.

mod settings;

pub use settings::{InvalidDuration, LogFormat, Settings, SettingsError, parse_duration};
