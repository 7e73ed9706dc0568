//! The routes of the data listener.

use crate::telemetry::Route;

/// The meaning of a method and a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A query in the URL.
    Url(Route),
    /// A query in the body.
    Body(Route),
    /// A batch of queries in the body.
    Batch,
    /// A method that the route does not have. The text is the value of `Allow`.
    OtherMethod(Route, &'static str),
    /// A path without a route.
    Unknown,
}

/// All paths of this listener with their methods, as in the header `Allow`.
pub const PATHS: [(&str, &str); 3] =
    [("/v1/select", "GET, HEAD, POST"), ("/v1/select/batch", "POST"), ("/v1/explain", "GET, HEAD, POST")];

/// Returns the target of a request.
pub(super) fn find(method: &str, path: &str) -> Target {
    let Some((_, allow)) = PATHS.iter().find(|(known, _)| *known == path) else { return Target::Unknown };
    match (path, method) {
        ("/v1/select", "GET" | "HEAD") => Target::Url(Route::Select),
        ("/v1/select", "POST") => Target::Body(Route::Select),
        ("/v1/select", _) => Target::OtherMethod(Route::Select, allow),
        ("/v1/select/batch", "POST") => Target::Batch,
        ("/v1/select/batch", _) => Target::OtherMethod(Route::Batch, allow),
        ("/v1/explain", "GET" | "HEAD") => Target::Url(Route::Explain),
        ("/v1/explain", "POST") => Target::Body(Route::Explain),
        ("/v1/explain", _) => Target::OtherMethod(Route::Explain, allow),
        _ => Target::Unknown,
    }
}

impl Target {
    /// Returns the route for the metrics.
    pub(super) fn route(self) -> Route {
        match self {
            Target::Url(route) | Target::Body(route) | Target::OtherMethod(route, _) => route,
            Target::Batch => Route::Batch,
            Target::Unknown => Route::Other,
        }
    }
}
