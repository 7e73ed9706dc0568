//! Reading and checking registries: every fault is reported once, with its line.

mod acme;
mod base;
mod fault_table;
mod folders;
mod hostile;
mod independent;
mod many;
mod numbers;
mod sheets;
mod snippets;
mod values;
