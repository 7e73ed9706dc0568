//! `loadtest compare`: the changes between two reports that exceed the noise of repeated runs.

mod command;
mod comparison;
mod setup;
mod verdict;

pub use self::{
    command::{Compare, run},
    comparison::{FigureChange, ReportComparison},
    setup::SetupDifference,
    verdict::ChangeVerdict,
};
pub use crate::report::figures::Unit;
