//! `switchboard diff`: the changes are those between the decisions of the oracle for both sides.

mod brute_force;
mod command;
