//! Coverage-guided fuzzing of every reader of foreign input. `cargo test` checks the same properties with a
//! bounded number of inputs (`tests/hostile_input`).
//!
//! ```sh
//! cargo install cargo-fuzz --locked
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none resealed -- -max_total_time=300 -timeout=10
//! ```
//!
//! A stable compiler needs the variable and `--sanitizer none`. With a nightly compiler, leave both out. The
//! targets are `open`, `resealed`, `registry`, `query`, `batch`, `principals`,
//! `trusted_keys` and `envelope`.

pub mod properties;
