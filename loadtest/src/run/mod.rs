//! `loadtest run`: prepares the daemon, measures the highest rate, runs the scenarios and writes the reports.
//! The soak uses the same parts.

mod actors;
mod admin;
mod ceiling;
mod context;
pub mod machine;
mod open_pages;
mod options;
mod requests;
mod runner;
mod scratch;
mod slow_clients;
mod step;
mod sweep;
mod target;
mod testbed;
mod verdicts;

pub(crate) use self::{
    actors::ActorCounts,
    context::{Context, CorruptReloads},
    requests::Requests,
    scratch::Scratch,
    step::Stretch,
    testbed::TestBed,
};
pub use self::{
    admin::{AdminClient, Metrics, standing_of},
    context::StopFlag,
    options::Options,
    requests::Queries,
    runner::run,
    scratch::{StandingsToRestore, without_standing},
    slow_clients::{SlowRequests, run_slow_client},
    sweep::{MeasuredRate, RateSearch, holds, sweep_rates},
    verdicts::verdicts,
};
