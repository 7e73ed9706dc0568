//! The routes of the admin listener.

/// The path of the list of standings.
pub(super) const STANDINGS: &str = "/v1/standings";
/// The path of one account's standing, as it is documented.
const STANDING: &str = "/v1/standings/{company}/{account}";

/// The methods of a path that is only read, as `Allow` states them.
pub(super) const READ: &str = "GET, HEAD";
/// The methods of [`STANDING`].
pub(super) const CHANGE: &str = "GET, HEAD, PUT, DELETE";

/// Every path of this listener, and its methods as `Allow` states them.
pub const PATHS: [(&str, &str); 7] = [
    ("/metrics", READ),
    ("/livez", READ),
    ("/readyz", READ),
    ("/status", READ),
    ("/openapi.json", READ),
    (STANDINGS, READ),
    (STANDING, CHANGE),
];

/// Returns the methods of a path, or `None` where it is no route.
pub(super) fn allow(path: &str) -> Option<&'static str> {
    PATHS.iter().find(|(known, _)| *known == path).map(|(_, allow)| *allow)
}
