//! Decides which principal sends a request, and whether it may.

use std::cell::{RefCell, RefMut};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use switchboard_model::UnixSeconds;
use switchboard_server::{ClientCertificate, ConnectionInfo, Peer, Problem};

use super::problem::{FORBIDDEN, UNAUTHORIZED};
use crate::access::audit::{AuditLog, DenialReason};
use crate::access::{Access, AccessReader, Caller, Credential, Denial, Need, Permission, Principals};
use crate::telemetry::{AuthCounters, AuthOutcome};

/// Decides about the callers of one thread's requests, by the principals in force.
pub(super) struct Authorizer {
    reader: RefCell<AccessReader>,
}

/// The refusal of a request.
pub(super) struct Denied {
    /// The caller, if it is known: its credential has expired, or it lacks the permission.
    pub(super) caller: Option<Caller>,
    pub(super) reason: DenialReason,
}

impl Authorizer {
    pub(super) fn new(access: &Access) -> Authorizer {
        Authorizer { reader: RefCell::new(access.reader()) }
    }

    /// Returns the reader of the principals in force, for a decision that needs no [`Caller`].
    pub(super) fn reader(&self) -> RefMut<'_, AccessReader> {
        self.reader.borrow_mut()
    }

    /// Returns the caller of a request that needs a permission. Counts the decision.
    pub(super) fn authorize(
        &self,
        credential: Credential<'_>,
        need: Need,
        now: UnixSeconds,
        counters: &AuthCounters,
    ) -> Result<Caller, Denied> {
        authorize(self.reader.borrow_mut().pin(), credential, need, now, counters)
    }
}

/// Returns the caller of a request that needs a permission, by this version of the principals. Counts the
/// decision.
pub(super) fn authorize(
    principals: &Arc<Principals>,
    credential: Credential<'_>,
    need: Need,
    now: UnixSeconds,
    counters: &AuthCounters,
) -> Result<Caller, Denied> {
    match principals.authorize(credential, need, now) {
        Ok(at) => {
            counters.count(allowed(credential));
            Ok(principals.caller(at))
        }
        Err(denial) => {
            let (outcome, caller) = match denial {
                Denial::Forbidden(at) => (AuthOutcome::Forbidden, Some(principals.caller(at))),
                Denial::Expired(at) => (AuthOutcome::Unauthorized, at.map(|at| principals.caller(at))),
                _ => (AuthOutcome::Unauthorized, None),
            };
            counters.count(outcome);
            Err(Denied { caller, reason: reason(denial) })
        }
    }
}

/// Returns the outcome of a request that is allowed.
pub(super) fn allowed(credential: Credential<'_>) -> AuthOutcome {
    match credential {
        Credential::None => AuthOutcome::Anonymous,
        _ => AuthOutcome::Allowed,
    }
}

/// Returns the credential of a request: its `Authorization`, or else the certificate of its connection.
pub(super) fn credential<'r>(connection: &'r ConnectionInfo, headers: &'r HeaderMap) -> Credential<'r> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => credential_of(connection),
        (Some(value), None) => Credential::Authorization(value.as_bytes()),
        (Some(_), Some(_)) => Credential::Several,
    }
}

/// Returns the credential of a request without `Authorization`.
pub(super) fn credential_of(connection: &ConnectionInfo) -> Credential<'_> {
    match connection.client_certificate.as_deref() {
        None => Credential::None,
        Some(ClientCertificate { names, not_before, not_after }) => {
            Credential::Certificate { names, not_before: *not_before, not_after: *not_after }
        }
    }
}

/// Records a denied request in the audit log, if there is one.
pub(super) fn record_denial(
    audit: Option<&AuditLog>,
    Denied { caller, reason }: &Denied,
    permission: Option<Permission>,
    peer: Peer,
) {
    if let Some(audit) = audit {
        let principal = caller.as_ref().and_then(Caller::principal).map(|principal| &*principal.name);
        audit.deny(principal, permission, *reason, peer);
    }
}

fn reason(denial: Denial) -> DenialReason {
    match denial {
        Denial::NoCredential => DenialReason::NoCredential,
        Denial::UnknownCredential => DenialReason::UnknownCredential,
        Denial::Expired(_) => DenialReason::ExpiredCredential,
        Denial::Forbidden(_) => DenialReason::NoPermission,
    }
}

impl Denied {
    /// Refuses a request of an unknown caller.
    pub(super) fn anonymous(reason: DenialReason) -> Denied {
        Denied { caller: None, reason }
    }

    /// Returns the answer to the request.
    pub(super) fn problem(&self) -> Problem {
        let unauthorized = || Problem::new(&UNAUTHORIZED).with_header(WWW_AUTHENTICATE, "Bearer");
        match self.reason {
            DenialReason::NoCredential => unauthorized(),
            DenialReason::UnknownCredential => unauthorized().with_detail(
                "The credential is not that of exactly one principal. \
                 Send one header Authorization with Bearer and the token of a principal.",
            ),
            DenialReason::ExpiredCredential => unauthorized().with_detail(
                "The credential of the principal has expired. Ask the operator of the daemon for a new one.",
            ),
            DenialReason::NoPermission => Problem::new(&FORBIDDEN),
            DenialReason::OtherOrigin => Problem::new(&FORBIDDEN).with_detail(
                "The header Origin names another host or port than the header Host, or Sec-Fetch-Site another site. \
                 Pages of other sites may not send requests to this listener.",
            ),
            DenialReason::UnknownHost => Problem::new(&FORBIDDEN).with_detail(
                "The header Host is neither an IP address nor localhost, and a daemon without principals refuses \
                 other names. Use the address, or add the name with the option --admin-host.",
            ),
            DenialReason::NotLocal => Problem::new(&FORBIDDEN).with_detail(
                "Without principals, standings can be changed only through the loopback, such as 127.0.0.1, and \
                 Unix sockets. Send the request to such an address of the daemon, or start the daemon with the option --principals.",
            ),
        }
    }
}

/// Checks that a request of a page in a browser comes from a page of this listener: an `Origin` must name the
/// host and the port of `Host`. A browser sends no `Origin` with an image or a frame, but says that another site
/// asks. A link to the page itself is followed.
pub(super) fn check_origin(head: &Parts) -> Result<(), Denied> {
    let has = |name: &str, value: &str| head.headers.get(name).is_some_and(|it| it == value);
    let is_other_site = has("sec-fetch-site", "cross-site") || has("sec-fetch-site", "same-site");
    let is_link =
        has("sec-fetch-mode", "navigate") && has("sec-fetch-dest", "document") && head.uri.path() == "/";
    if is_other_site && !is_link {
        return Err(Denied::anonymous(DenialReason::OtherOrigin));
    }
    let mut origins = head.headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    let own = host(head).filter(|_| origins.next().is_none());
    let named = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let is_own = own.zip(named).is_some_and(|(own, (scheme, named))| {
        let port = match scheme {
            "http" => "80",
            "https" => "443",
            _ => return false,
        };
        let parts = |text: &str| {
            let (host, stated) = split_port(text);
            (host.to_ascii_lowercase(), stated.filter(|stated| !stated.is_empty()).unwrap_or(port).to_owned())
        };
        parts(own) == parts(named)
    });
    if is_own {
        return Ok(());
    }
    Err(Denied::anonymous(DenialReason::OtherOrigin))
}

/// Checks that the `Host` of a request is an IP address, `localhost` or one of these names. Without names,
/// accepts every host.
pub(super) fn check_host(head: &Parts, hosts: Option<&[String]>) -> Result<(), Denied> {
    let Some((hosts, own)) = hosts.zip(host(head)) else { return Ok(()) };
    let (name, _) = split_port(own);
    let address = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
    };
    let is_own = |known: &str| name.eq_ignore_ascii_case(known);
    if address || is_own("localhost") || hosts.iter().any(|known| is_own(known)) {
        return Ok(());
    }
    Err(Denied::anonymous(DenialReason::UnknownHost))
}

/// Returns the host of a request: that of an absolute target, else the header. HTTP/1.0 may have neither.
fn host(head: &Parts) -> Option<&str> {
    match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => head.headers.get(HOST).map(|host| host.to_str().unwrap_or_default()),
    }
}

/// Returns a host and its port, if it has one.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = hyper::Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn origin_must_name_the_host_and_the_port() {
        for (host, origin, is_own) in [
            ("127.0.0.1:7401", "http://127.0.0.1:7401", true),
            ("localhost:7401", "http://LOCALHOST:7401", true),
            ("[::1]:7401", "http://[::1]:7401", true),
            ("ops.example", "http://ops.example", true),
            ("ops.example", "http://ops.example:80", true),
            ("ops.example:443", "https://ops.example", true),
            ("ops.example", "https://ops.example", true),
            ("127.0.0.1:7401", "http://127.0.0.1", false),
            ("127.0.0.1:7401", "http://127.0.0.1:7402", false),
            ("127.0.0.1:7401", "http://localhost:7401", false),
            ("127.0.0.1:7401", "http://evil.example", false),
            ("127.0.0.1:7401", "null", false),
            ("127.0.0.1:7401", "", false),
            ("127.0.0.1:7401", "file://127.0.0.1:7401", false),
        ] {
            let checked = check_origin(&head("/", &[("host", host), ("origin", origin)]));
            assert_eq!(checked.is_ok(), is_own, "{host} {origin}");
        }
        assert!(check_origin(&head("/", &[("host", "a")])).is_ok());
        let fetched = |target: &str, site: &str, mode: &str, dest: &str| {
            let headers =
                [("host", "a"), ("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
            check_origin(&head(target, &headers)).is_ok()
        };
        assert!(fetched("/status", "same-origin", "cors", "empty"));
        assert!(fetched("/status", "none", "navigate", "document"));
        assert!(fetched("/", "cross-site", "navigate", "document"), "a link to the page");
        assert!(!fetched("/", "cross-site", "navigate", "iframe"));
        assert!(!fetched("/status", "cross-site", "no-cors", "image"));
        assert!(!fetched("/status", "same-site", "navigate", "document"));
        let two = [("host", "a"), ("origin", "http://a"), ("origin", "http://a")];
        assert!(check_origin(&head("/", &two)).is_err());
    }

    #[test]
    fn host_is_an_address_localhost_or_a_stated_name() {
        let hosts = ["ops.example".to_owned()];
        for (host, is_own) in [
            ("127.0.0.1:7401", true),
            ("10.0.0.7", true),
            ("[::1]:7401", true),
            ("localhost", true),
            ("LocalHost:7401", true),
            ("OPS.example:7401", true),
            ("evil.example", false),
            ("ops.example.evil.example", false),
            ("localhost.evil.example:7401", false),
            ("127.0.0.1.evil.example", false),
            ("[evil]", false),
            ("", false),
        ] {
            let checked = check_host(&head("/", &[("host", host)]), Some(&hosts));
            assert_eq!(checked.is_ok(), is_own, "{host}");
            assert!(check_host(&head("/", &[("host", host)]), None).is_ok());
        }
        let absolute = head("http://evil.example/status", &[("host", "127.0.0.1")]);
        assert!(check_host(&absolute, Some(&hosts)).is_err());
        assert!(check_host(&head("/", &[]), Some(&hosts)).is_ok(), "HTTP/1.0 has no Host");
    }
}
