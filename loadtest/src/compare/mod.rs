//! `loadtest compare`: what changed from one report to another, beyond the noise of repeated runs.

mod command;
mod comparison;
mod setup;
mod verdict;

pub use self::{
    command::{Compare, run},
    comparison::{FigureChange, ReportComparison, Unit},
    setup::SetupDifference,
    verdict::ChangeVerdict,
};
