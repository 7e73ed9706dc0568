//! Coverage-guided fuzzing of everything that reads what others wrote. The properties are the same that
//! `cargo test` holds over a bounded number of inputs (`tests/hostile_input`).
//!
//! ```sh
//! cargo install cargo-fuzz --locked
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none resealed -- -max_total_time=300 -timeout=10
//! ```
//!
//! `--sanitizer none` and the variable let a stable compiler do it; with a nightly one, leave both out.
//! Targets: `open`, `resealed`, `registry`, `query`, `batch`.

pub mod properties;
