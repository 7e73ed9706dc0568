//! The report of a scenario: its model, its files, the terminal's table and the HTML page.

pub mod files;
pub mod model;
pub mod page;
pub mod page_command;
pub mod summary;
pub mod units;

pub(crate) use self::model::{DAEMON_ENDED, failures};
