//! Tests that `docs/openapi.yaml` is complete and correct.

mod complete;
mod document;
mod examples;
mod generated;
mod request;
