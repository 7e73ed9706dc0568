//! Coverage-guided fuzzing of everything that reads what others wrote. The properties are the same that
//! `cargo test` holds over a bounded number of inputs.

pub mod properties;
