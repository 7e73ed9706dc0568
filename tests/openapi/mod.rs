//! `docs/openapi.yaml` is complete and true.

mod complete;
mod document;
mod examples;
mod generated;
mod request;
