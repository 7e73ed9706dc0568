//! The report of a scenario: its model and its files, and its figures as the terminal's table and as an HTML
//! page. `loadtest compare` shares the table of figures.

pub(crate) mod figures;
pub mod files;
pub mod model;
pub mod page;
pub mod summary;
pub mod units;

pub(crate) use self::model::DAEMON_ENDED;
