//! The routes of both listeners: the paths with their methods, the text that lists them, the problem for any
//! other path, and the media types of bodies.

use std::fmt::Write;

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use switchboard_server::response::{NOT_FOUND, UNSUPPORTED_MEDIA_TYPE};
use switchboard_server::{Problem, Response, respond};

/// Media type of the texts for people and probes.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Methods of a path that is only read, as in the header `Allow`.
pub(super) const READ: &str = "GET, HEAD";
/// Methods of a path that reads a query from the URL or from the body.
pub(super) const QUERY: &str = "GET, HEAD, POST";
/// Path of the comparison of a registry.
pub(super) const COMPARE: &str = "/v1/compare";
/// Path of the list of standings.
pub(super) const STANDINGS: &str = "/v1/standings";
/// Path of the standing of one account, as in the documentation.
const STANDING: &str = "/v1/standings/{company}/{account}";
/// Path of the list of accounts.
pub(super) const ACCOUNTS: &str = "/v1/accounts";
/// Path of one account, as in the documentation.
const ACCOUNT: &str = "/v1/accounts/{company}/{account}";

/// All paths of the data listener with their methods, as in the header `Allow`.
pub(super) const DATA_PATHS: [(&str, &str); 5] = [
    ("/", READ),
    ("/v1/select", QUERY),
    ("/v1/select/batch", "POST"),
    ("/v1/account", READ),
    ("/v1/explain", QUERY),
];

/// All paths of the admin listener with their methods, as in the header `Allow`.
pub(super) const ADMIN_PATHS: [(&str, &str); 14] = [
    ("/", READ),
    ("/assets/{file}", READ),
    ("/metrics", READ),
    ("/livez", READ),
    ("/readyz", READ),
    ("/status", READ),
    ("/openapi.json", READ),
    (STANDINGS, READ),
    (STANDING, "GET, HEAD, PUT, DELETE"),
    (ACCOUNTS, QUERY),
    (ACCOUNT, READ),
    ("/v1/explain", QUERY),
    ("/v1/coverage", READ),
    (COMPARE, "POST"),
];

/// A listener of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListenerKind {
    /// The listener that answers queries.
    Data,
    /// The listener for operators, their tools and their probes.
    Admin,
}

impl ListenerKind {
    const fn name(self) -> &'static str {
        match self {
            ListenerKind::Data => "data listener",
            ListenerKind::Admin => "admin listener",
        }
    }

    const fn default_address(self) -> &'static str {
        match self {
            ListenerKind::Data => "127.0.0.1:7400",
            ListenerKind::Admin => "127.0.0.1:7401",
        }
    }

    const fn paths(self) -> &'static [(&'static str, &'static str)] {
        match self {
            ListenerKind::Data => &DATA_PATHS,
            ListenerKind::Admin => &ADMIN_PATHS,
        }
    }

    const fn other(self) -> ListenerKind {
        match self {
            ListenerKind::Data => ListenerKind::Admin,
            ListenerKind::Admin => ListenerKind::Data,
        }
    }

    /// Returns the path of the table that a request's path belongs to.
    pub(super) fn known(self, path: &str) -> Option<&'static str> {
        let mut paths = self.paths().iter().map(|(known, _)| *known);
        paths.find(|known| match known.split_once('{') {
            Some((before, _)) => path.strip_prefix(before).is_some_and(|rest| !rest.is_empty()),
            None => *known == path,
        })
    }
}

/// Lists the routes of the data listener as text.
pub(super) fn list() -> Response {
    let mut text = format!("Switchboard {}, {}\n\n", env!("CARGO_PKG_VERSION"), ListenerKind::Data.name());
    let width = DATA_PATHS.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
    for (path, methods) in DATA_PATHS {
        let _ = writeln!(text, "{path:width$}  {methods}");
    }
    text += "\n/openapi.json on the admin listener describes every route.\n";
    respond(200, TEXT, text.into())
}

/// Returns the problem for a path that a listener does not have. Does not repeat the path, because it may
/// contain personal data.
pub(super) fn not_found(listener: ListenerKind, path: &str) -> Problem {
    let (name, other) = (listener.name(), listener.other());
    let near = path.trim_end_matches('/').to_ascii_lowercase();
    let detail = if let Some(known) = other.known(path) {
        let (other, address) = (other.name(), other.default_address());
        format!("{known} is a route of the {other}, whose default address is {address}. This is the {name}.")
    } else if let Some(known) = listener.known(path).filter(|known| known.contains('{')) {
        format!(
            "The {name} has the route {known}. Write each id as one segment, percent-encoded as UTF-8, \
             without a slash at the end."
        )
    } else if let Some(known) = listener.known(&near) {
        format!("The {name} has the route {known}. Write it in lower case and without a slash at the end.")
    } else {
        let where_to_look = match listener {
            ListenerKind::Data => "GET / lists its routes",
            ListenerKind::Admin => "GET /openapi.json describes its routes",
        };
        format!("The {name} has no such route. {where_to_look}.")
    };
    Problem::new(&NOT_FOUND).with_detail(detail)
}

/// Checks the media type and the encoding of a body. Accepts nearly every type, because `curl -d` and many other
/// clients state the type of a form. `accept` is the media type for the header `Accept` of the problem.
pub(super) fn check_media_type(headers: &HeaderMap, accept: &'static str) -> Result<(), Problem> {
    check_encoding(headers)?;
    match headers.get(CONTENT_TYPE) {
        Some(stated) if is_other_format(stated.as_bytes()) => {
            let problem = Problem::new(&UNSUPPORTED_MEDIA_TYPE).with_header(ACCEPT, accept);
            Err(problem.with_detail("Multipart bodies and XML are not read. Send JSON."))
        }
        _ => Ok(()),
    }
}

/// Checks that a body has no content encoding.
pub(super) fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            let problem = Problem::new(&UNSUPPORTED_MEDIA_TYPE).with_header(ACCEPT_ENCODING, "identity");
            Err(problem.with_detail("Send the body without a content encoding."))
        }
        _ => Ok(()),
    }
}

/// Returns whether a media type announces a format that cannot be JSON: `multipart/*` or XML.
fn is_other_format(stated: &[u8]) -> bool {
    let essence = stated.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let essence = essence.to_ascii_lowercase();
    let (kind, subtype) = match memchr::memchr(b'/', &essence) {
        Some(slash) => essence.split_at(slash + 1),
        None => (&[][..], &*essence),
    };
    kind == b"multipart/" || subtype == b"xml" || subtype.starts_with(b"xml-") || subtype.ends_with(b"+xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipart_and_xml_alone_are_other_formats() {
        for other in [
            "multipart/form-data; boundary=x",
            "Multipart/Mixed",
            "application/xml",
            "text/XML ; charset=utf-8",
            "application/soap+xml",
            "image/svg+XML;q=1",
            "application/xml-external-parsed-entity",
        ] {
            assert!(is_other_format(other.as_bytes()), "{other}");
        }
        for read in [
            "",
            "json",
            "application/json",
            "application/x-www-form-urlencoded",
            "text/plain;charset=utf-8",
            "application/vnd.api+json; profile=xml",
            "application/octet-stream",
            "application/xmlish+json",
            "a/multipart/b",
            "\u{e9}",
        ] {
            assert!(!is_other_format(read.as_bytes()), "{read}");
        }
    }

    #[test]
    fn problem_of_another_path_names_the_listener_that_has_it() {
        let detail = |listener, path| {
            let mut json = Vec::new();
            not_found(listener, path).write(&mut json);
            serde_json::from_slice::<serde_json::Value>(&json).unwrap()["detail"].as_str().unwrap().to_owned()
        };
        use ListenerKind::{Admin, Data};
        for (listener, path, expected) in [
            (
                Data,
                "/metrics",
                "/metrics is a route of the admin listener, whose default address is 127.0.0.1:7401.",
            ),
            (Data, "/v1/standings", "/v1/standings is a route of the admin listener"),
            (Data, "/v1/accounts", "/v1/accounts is a route of the admin listener"),
            (Data, "/v1/standings/a/b", "/v1/standings/{company}/{account} is a route of the admin listener"),
            (
                Admin,
                "/v1/select",
                "/v1/select is a route of the data listener, whose default address is 127.0.0.1:7400.",
            ),
            (
                Admin,
                "/v1/standings/acme",
                "The admin listener has the route /v1/standings/{company}/{account}. Write each id as one segment,",
            ),
            (
                Admin,
                "/v1/standings/",
                "The admin listener has the route /v1/standings. Write it in lower case",
            ),
            (
                Admin,
                "/V1/standings/acme/a",
                "The admin listener has the route /v1/standings/{company}/{account}. Write it in lower case",
            ),
            (Data, "/v1/select/", "The data listener has the route /v1/select."),
            (Data, "/V1/Select", "The data listener has the route /v1/select."),
            (Data, "/v1", "The data listener has no such route. GET / lists its routes."),
            (Admin, "/+447400123456", "The admin listener has no such route."),
            (Data, "*", "The data listener has no such route."),
        ] {
            let found = detail(listener, path);
            assert!(found.starts_with(expected), "{path}: {found}");
        }
    }
}
