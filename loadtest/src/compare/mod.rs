//! `loadtest compare`: the changes between two reports that exceed the noise of repeated runs.

mod command;
mod comparison;

pub use self::{
    command::{Compare, run},
    comparison::{ChangeVerdict, FigureChange, ReportComparison, SetupDifference},
};
pub use crate::report::figures::Unit;
