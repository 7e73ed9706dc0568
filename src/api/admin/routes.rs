//! The routes of the admin listener.

/// Path of the list of standings.
pub(super) const STANDINGS: &str = "/v1/standings";
/// Path of the standing of one account, as in the documentation.
const STANDING: &str = "/v1/standings/{company}/{account}";

/// Methods of a read-only path, as in the header `Allow`.
pub(super) const READ: &str = "GET, HEAD";
/// Methods of [`STANDING`], as in the header `Allow`.
pub(super) const CHANGE: &str = "GET, HEAD, PUT, DELETE";

/// All paths of this listener with their methods, as in the header `Allow`.
pub const PATHS: [(&str, &str); 7] = [
    ("/metrics", READ),
    ("/livez", READ),
    ("/readyz", READ),
    ("/status", READ),
    ("/openapi.json", READ),
    (STANDINGS, READ),
    (STANDING, CHANGE),
];

/// Returns the methods of a path. Returns `None` if the path has no route.
pub(super) fn allow(path: &str) -> Option<&'static str> {
    PATHS.iter().find(|(known, _)| *known == path).map(|(_, allow)| *allow)
}
