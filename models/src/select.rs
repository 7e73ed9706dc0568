//! The overlay.

#[path = "../../src/select/overlay.rs"]
pub mod overlay;
pub use overlay::{NO_STANDINGS, Overlay};
