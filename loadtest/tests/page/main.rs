//! Tests of the HTML page of a report.
#![cfg(test)]

mod escapes;
mod fixtures;
mod places;
mod units;
mod whole;
