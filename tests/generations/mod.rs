//! Every request is answered from one generation. In these tests, every byte of an answer encodes its
//! generation.

mod encoded;
mod readers;
mod stress;
