//! What the registry's reader and checker promise: everything that is wrong, once, with its line.

mod acme;
mod base;
mod fault_table;
mod folders;
mod hostile;
mod independent;
mod many;
mod numbers;
mod quotes;
mod values;
