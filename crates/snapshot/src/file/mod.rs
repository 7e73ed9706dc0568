//! Snapshots on disk: read whole into aligned memory, replaced atomically and durably.

mod read;
mod write;

pub use read::read;
pub use write::{ReplaceError, write, write_with};
