//! `loadtest compare`: finds what changed, and seldom takes noise for a change.
#![cfg(test)]

mod command;
mod noise;
mod setup;
mod sweep;
mod synthetic;
