//! One generation per request: whatever can be read in an answer says which generation it is of.

mod encoded;
mod readers;
mod stress;
