//! `loadtest compare`: what changed from one report to another, beyond the noise of repeated runs.

mod command;
mod comparison;
mod setup;
mod verdict;

pub use self::{
    command::{Compare, run},
    comparison::{Change, Comparison, Unit},
    setup::Difference,
    verdict::Verdict,
};
