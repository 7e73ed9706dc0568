//! The routes of accounts: lists by filters and in pages, and the effect of one account.

mod effect;
mod routes;
