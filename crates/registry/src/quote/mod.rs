//! The lines that findings are about, quoted: what is looked up only when there is somebody to show it to.
//!
//! `entry` finds a [`Mark`](super::Mark) in TOML, `row` in CSV, `excerpt` makes lines fit to be printed.

mod entry;
mod excerpt;
mod row;
mod source;

pub use excerpt::Quote;
pub use source::Quotes;
