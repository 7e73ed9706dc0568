//! The store, and the standings that it holds.

pub mod standings;
#[path = "../../src/runtime/store.rs"]
pub mod store;
pub use store::{Generation, Reader, Store};
