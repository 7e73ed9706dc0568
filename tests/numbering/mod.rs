//! The number table: generated from libphonenumber's metadata, and compared with libphonenumber's answers.
//!
//! [`library`] wraps the library; [`diagram`] and [`plan`] express its rules as sets of digit
//! strings; [`generate`] writes them as the table; [`draw`] draws numbers for [`agreement`].

mod agreement;
mod diagram;
mod draw;
mod generate;
mod library;
mod parsed;
mod plan;
