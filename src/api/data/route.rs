//! Which request is which.

use crate::telemetry::Route;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A query in the URL.
    Url(Route),
    /// A query in the body.
    Body(Route),
    /// Queries in the body.
    Batch,
    /// A route that has other methods: its `Allow`.
    Method(Route, &'static str),
    /// Nothing.
    Nowhere,
}

/// Every path of this listener, and its methods as `Allow` states them.
pub const PATHS: [(&str, &str); 3] =
    [("/v1/select", "GET, HEAD, POST"), ("/v1/select/batch", "POST"), ("/v1/explain", "GET, HEAD, POST")];

/// The whole map of this listener.
pub(super) fn find(method: &str, path: &str) -> Target {
    let Some((_, allow)) = PATHS.iter().find(|(known, _)| *known == path) else { return Target::Nowhere };
    match (path, method) {
        ("/v1/select", "GET" | "HEAD") => Target::Url(Route::Select),
        ("/v1/select", "POST") => Target::Body(Route::Select),
        ("/v1/select", _) => Target::Method(Route::Select, allow),
        ("/v1/select/batch", "POST") => Target::Batch,
        ("/v1/select/batch", _) => Target::Method(Route::Batch, allow),
        ("/v1/explain", "GET" | "HEAD") => Target::Url(Route::Explain),
        ("/v1/explain", "POST") => Target::Body(Route::Explain),
        ("/v1/explain", _) => Target::Method(Route::Explain, allow),
        _ => Target::Nowhere,
    }
}

impl Target {
    pub(super) fn route(self) -> Route {
        match self {
            Target::Url(route) | Target::Body(route) | Target::Method(route, _) => route,
            Target::Batch => Route::Batch,
            Target::Nowhere => Route::Other,
        }
    }
}
