//! The problems of the API: every code with its status and its texts.

use serde_json::Value;
use switchboard_model::SelectError;
use switchboard_select::BadQuery;
use switchboard_server::Problem;
pub use switchboard_server::ProblemKind;
use switchboard_server::response::{
    self, BAD_REQUEST, BODY_TOO_LARGE, HEADER_TOO_LARGE, INTERNAL, METHOD_NOT_ALLOWED, NOT_FOUND, OVERLOADED,
    UNSUPPORTED_MEDIA_TYPE,
};

/// JSON of the problem member for the generation that was read, up to its value.
pub(super) const GENERATION: &str = r#","generation":"#;

/// No snapshot is in service, so no query can be answered.
pub const NO_SNAPSHOT: ProblemKind = ProblemKind {
    code: "no_snapshot",
    status: 503,
    title: "No snapshot in service",
    detail: "Wait for a snapshot, or query another replica. /status on the admin listener has the reason.",
};

/// The change needs the broker of the fleet, which did not acknowledge it.
pub const NO_BROKER: ProblemKind = ProblemKind {
    code: "no_broker",
    status: 503,
    title: "No broker",
    detail: "The change takes away a restriction, and the broker of the fleet did not acknowledge it. The \
             restriction stays in force. Send the request again.",
};

/// No account has the id or the address that the request names.
pub const UNKNOWN_ACCOUNT: ProblemKind = ProblemKind {
    code: "unknown_account",
    status: 404,
    title: "Unknown account",
    detail: "No account in the snapshot in service has this address on the channel. Check the address and the channel.",
};

/// The route needs a credential, and the request has none that is valid.
pub const UNAUTHORIZED: ProblemKind = ProblemKind {
    code: "unauthorized",
    status: 401,
    title: "Unauthorized",
    detail: "Send the token of a principal as a Bearer token in the header Authorization.",
};

/// The caller does not have the permission for the route.
pub const FORBIDDEN: ProblemKind = ProblemKind {
    code: "forbidden",
    status: 403,
    title: "Forbidden",
    detail: "The principal does not have the permission for this route, or not for all companies where the route \
             covers them. Ask the operator of the daemon for it.",
};

/// Returns all kinds of problems of both listeners, one for each code.
pub fn all() -> impl Iterator<Item = &'static ProblemKind> {
    let others = [
        &UNAUTHORIZED,
        &FORBIDDEN,
        &UNKNOWN_ACCOUNT,
        &NOT_FOUND,
        &METHOD_NOT_ALLOWED,
        &BODY_TOO_LARGE,
        &UNSUPPORTED_MEDIA_TYPE,
        &HEADER_TOO_LARGE,
        &NO_SNAPSHOT,
        &NO_BROKER,
        &OVERLOADED,
        &INTERNAL,
    ];
    SelectError::ALL.into_iter().map(from_error).chain(others)
}

/// Returns the kind of problem for a failed selection.
pub fn from_error(error: SelectError) -> &'static ProblemKind {
    use SelectError::*;
    const fn kind(error: SelectError, status: u16, title: &'static str) -> ProblemKind {
        ProblemKind { code: error.as_str(), status, title, detail: error.reason() }
    }
    match error {
        BadRequest => const { &kind(BadRequest, BAD_REQUEST.status, BAD_REQUEST.title) },
        UnknownCompany => const { &kind(UnknownCompany, 404, "Unknown company") },
        UnknownChannel => const { &kind(UnknownChannel, 404, "Unknown channel") },
        UnknownOu => const { &kind(UnknownOu, 404, "Unknown organizational unit") },
        InvalidCountry => const { &kind(InvalidCountry, 400, "Invalid country") },
        InvalidPhone => const { &kind(InvalidPhone, 400, "Invalid phone number") },
        ClientRequired => const { &kind(ClientRequired, 400, "Client country required") },
        DedicatedUnavailable => const { &kind(DedicatedUnavailable, 422, "Dedicated account unavailable") },
        NoPool => const { &kind(NoPool, 422, "No pool") },
        // The explanation helps with these two. Their details refer to it.
        NoAccount => {
            const {
                &ProblemKind {
                    detail: "No pool that the query reaches has an account for this client. \
                        Add an account, a mapping or a default country. \
                        Send the query to /v1/explain to see the steps.",
                    ..kind(NoAccount, 422, "No account")
                }
            }
        }
        NoAccountAvailable => {
            const {
                &ProblemKind {
                    detail: "Every account for this client is draining, suspended, excluded or resting. \
                        Make one of them available, or exclude fewer accounts. \
                        Send the query to /v1/explain to see the accounts.",
                    ..kind(NoAccountAvailable, 422, "No account available")
                }
            }
        }
    }
}

/// Appends a problem as a JSON object, with the generation that was read, if any. `detail` replaces the
/// detail of the kind. It must not repeat data of the request.
pub fn write_problem(out: &mut Vec<u8>, kind: &ProblemKind, detail: Option<&str>, generation: Option<u64>) {
    response::write_problem(out, kind, detail, generation.map(|generation| (GENERATION, generation)));
}

/// Returns the problem for a failed selection as JSON, with the generation that was read.
#[allow(clippy::expect_used, reason = "a problem is valid JSON, which tests of every code check")]
pub fn to_json(error: SelectError, generation: u64) -> Value {
    let mut json = Vec::new();
    write_problem(&mut json, from_error(error), None, Some(generation));
    serde_json::from_slice(&json).expect("cannot fail: a problem is JSON")
}

/// Returns the reason of a failed selection with a remedy that is particular to the query, such as a similar id.
pub(crate) fn with_help(error: SelectError, help: &str) -> String {
    format!("{}: {help}", error.reason().trim_end_matches('.'))
}

/// Returns the problem for a malformed query.
pub(super) fn malformed(bad: BadQuery) -> Problem {
    Problem::new(from_error(SelectError::BadRequest)).with_detail(bad.message)
}

/// Returns the problem for a failed selection from this generation.
pub(super) fn from_select(error: SelectError, generation: u64) -> Problem {
    Problem::new(from_error(error)).with_number(GENERATION, generation)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_status_is_a_label_of_the_metrics() {
        assert!(all().all(|kind| crate::telemetry::STATUSES.contains(&kind.status)));
    }

    #[test]
    fn every_code_occurs_once() {
        let codes: BTreeSet<&str> = all().map(|kind| kind.code).collect();
        assert_eq!((codes.len(), all().count()), (23, 23));
    }

    #[test]
    fn texts_of_every_kind_are_written_without_escapes() {
        for kind in all() {
            let text = format!("{}{}{}", kind.code, kind.title, kind.detail);
            assert!(!text.contains(['"', '\\']) && !text.contains(char::is_control), "{text}");
        }
    }

    #[test]
    fn detail_begins_with_the_reason() {
        for error in SelectError::ALL {
            assert!(from_error(error).detail.starts_with(error.reason()), "{error:?}");
        }
    }
}
