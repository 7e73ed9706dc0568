//! `loadtest run`: prepares the daemon, measures the highest rate, runs the scenarios and writes the reports.
//! The soak uses the same parts.

mod actors;
mod admin;
mod ceiling;
pub mod machine;
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

pub use self::{
    actors::StopFlag,
    admin::{AdminClient, Metrics, standing_of},
    options::Options,
    requests::Queries,
    runner::run,
    slow_clients::{SlowRequests, run_slow_client},
    standings::{StandingsToRestore, without_standing},
    sweep::{MeasuredRate, RateSearch, holds},
    testbed::write_variant,
    verdicts::verdicts,
};
pub(crate) use self::{
    actors::{ActorCounts, CorruptReloads},
    requests::Requests,
    scratch::Scratch,
    step::{Context, Stretch},
    testbed::TestBed,
};
