//! What a standing is read with.

#[path = "../../src/registry/instant.rs"]
pub mod instant;
