//! `loadtest compare` finds changes, and seldom takes noise for a change.
#![cfg(test)]

mod command;
mod noise;
mod setup;
mod statistics;
mod sweep;
mod synthetic;
mod verdicts;
