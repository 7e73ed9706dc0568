//! One generation per request: answers encode the generation that each of their bytes is from.

mod encoded;
mod readers;
mod stress;
