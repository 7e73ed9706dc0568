//! `docs/openapi.yaml`: that it says everything, and that what it says is so.

mod complete;
mod document;
mod examples;
mod generated;
mod request;
