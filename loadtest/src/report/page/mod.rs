//! The report as one HTML page without a script, a font or a request. maud escapes what a report holds.

mod chart;
mod details;
mod latency;
mod overview;
mod parts;
mod render;
mod runs;
mod timeline;

pub use self::render::render;
