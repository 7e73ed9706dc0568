//! `switchboard diff`: the changes equal those between the oracle's decisions for both sides.

mod brute_force;
mod command;
