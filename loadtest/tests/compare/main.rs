//! `loadtest compare`: that it finds what changed, and that noise alone is seldom taken for a change.
#![cfg(test)]

mod command;
mod noise;
mod setup;
mod sweep;
mod synthetic;
