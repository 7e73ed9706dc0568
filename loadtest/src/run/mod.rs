//! `loadtest run`: prepares the daemon, measures the highest rate, runs the scenarios and writes the reports.
//! The soak uses the same parts.

mod actors;
mod admin;
mod ceiling;
mod context;
mod machine;
mod options;
mod requests;
mod runner;
mod scratch;
mod slow_clients;
mod standings;
mod step;
mod sweep;
mod target;
mod testbed;
mod verdicts;

pub(crate) use self::{
    actors::ActorCounts,
    admin::AdminClient,
    context::{Context, CorruptReloads},
    machine::memory_and_files,
    requests::Requests,
    scratch::Scratch,
    step::Stretch,
    testbed::TestBed,
};
pub use self::{options::Options, runner::run, sweep::RateSearch, verdicts::verdicts};
