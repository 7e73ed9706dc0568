//! The numbers' table: made from libphonenumber's metadata, and held to libphonenumber's answers.
//!
//! [`library`] is the library behind one door; [`diagram`] and [`plan`] are its rules as sets of digit
//! strings; [`generate`] writes them out as the table; [`draw`] makes numbers for [`agreement`].

mod agreement;
mod diagram;
mod draw;
mod generate;
mod library;
mod parsed;
mod plan;
