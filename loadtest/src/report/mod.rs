//! What is handed out at the end: the table, the JSON, the page.

pub mod model;
