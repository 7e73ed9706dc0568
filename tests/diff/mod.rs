//! `switchboard diff`: what changes is what the oracle, asked for every decision of both, says otherwise.

mod brute_force;
mod command;
