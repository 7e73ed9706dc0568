//! Why a query has no answer: the codes that gateways act on.

/// A problem's code, with the HTTP status and the texts that go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    /// The query is malformed.
    BadRequest,
    /// Neither `country` nor `phone`.
    ClientRequired,
    /// Not an E.164 number.
    InvalidPhone,
    /// Not a country.
    InvalidCountry,
    /// No such company.
    UnknownCompany,
    /// No such channel.
    UnknownChannel,
    /// No such organizational unit.
    UnknownOu,
    /// No pool of the channel at the OU or above it.
    NoPool,
    /// No step of the chain has an account.
    NoAccount,
    /// Some step has accounts, but none can be used now.
    NoAccountAvailable,
    /// The user's own account cannot be used now.
    DedicatedUnavailable,
    /// No such route, or nothing at it.
    NotFound,
    /// The route has another method.
    MethodNotAllowed,
    /// A body beyond the limit.
    BodyTooLarge,
    /// A body of another type.
    UnsupportedMediaType,
    /// A request head beyond the limit.
    HeaderTooLarge,
    /// Nothing is in service yet.
    NoSnapshot,
    /// Too many connections.
    Overloaded,
    /// A fault of this program.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: [Code; 19] = [
        Code::BadRequest,
        Code::ClientRequired,
        Code::InvalidPhone,
        Code::InvalidCountry,
        Code::UnknownCompany,
        Code::UnknownChannel,
        Code::UnknownOu,
        Code::NoPool,
        Code::NoAccount,
        Code::NoAccountAvailable,
        Code::DedicatedUnavailable,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::HeaderTooLarge,
        Code::NoSnapshot,
        Code::Overloaded,
        Code::Internal,
    ];

    /// The codes that a selection itself can end with, in the order of the steps.
    pub const OF_SELECTION: [Code; 11] = [
        Code::BadRequest,
        Code::UnknownCompany,
        Code::UnknownChannel,
        Code::UnknownOu,
        Code::InvalidCountry,
        Code::InvalidPhone,
        Code::ClientRequired,
        Code::DedicatedUnavailable,
        Code::NoPool,
        Code::NoAccount,
        Code::NoAccountAvailable,
    ];

    /// Code, HTTP status, title, and a detail for where nothing more particular is known.
    const fn texts(self) -> (&'static str, u16, &'static str, &'static str) {
        match self {
            // Whatever else a query lacks is told where it is read.
            Code::BadRequest => (
                "bad_request",
                400,
                "The query is malformed",
                "company: this field is required where there are several companies",
            ),
            Code::ClientRequired => (
                "client_required",
                400,
                "The client's country is not known",
                "give the client's country, or a phone to derive it from",
            ),
            Code::InvalidPhone => (
                "invalid_phone",
                400,
                "The phone is not an E.164 number",
                "give 5 to 15 digits that begin with an assigned calling code, with or without a leading +",
            ),
            Code::InvalidCountry => (
                "invalid_country",
                400,
                "The country is not assigned",
                "give an ISO 3166-1 alpha-2 code; the United Kingdom is GB",
            ),
            Code::UnknownCompany => (
                "unknown_company",
                404,
                "Unknown company",
                "the snapshot in service has no company of this id",
            ),
            Code::UnknownChannel => (
                "unknown_channel",
                404,
                "Unknown channel",
                "the snapshot in service has no channel of this id",
            ),
            Code::UnknownOu => (
                "unknown_ou",
                404,
                "Unknown organizational unit",
                "the company has no organizational unit of this id",
            ),
            Code::NoPool => (
                "no_pool",
                422,
                "No pool",
                "neither the organizational unit nor, where it inherits, any above it has a pool of this channel",
            ),
            Code::NoAccount => (
                "no_account",
                422,
                "No account",
                "no step of the chain has an account for this client; explain shows the steps",
            ),
            Code::NoAccountAvailable => (
                "no_account_available",
                422,
                "No account is available",
                "every account for this client is draining, suspended, excluded or resting; explain shows which",
            ),
            Code::DedicatedUnavailable => (
                "dedicated_unavailable",
                422,
                "The user's own account is not available",
                "it is draining, suspended, excluded or resting, and the company does not fall back to its pools",
            ),
            Code::NotFound => ("not_found", 404, "Nothing is here", "see the routes of this listener"),
            Code::MethodNotAllowed => {
                ("method_not_allowed", 405, "The route has another method", "see the Allow header")
            }
            Code::BodyTooLarge => ("body_too_large", 413, "The body is too large", "send a smaller body"),
            Code::UnsupportedMediaType => {
                ("unsupported_media_type", 415, "The body is of another type", "see the Accept header")
            }
            Code::HeaderTooLarge => (
                "header_too_large",
                431,
                "The request head is too large",
                "send fewer or shorter header fields",
            ),
            Code::NoSnapshot => (
                "no_snapshot",
                503,
                "Nothing is in service yet",
                "no snapshot has been loaded; the admin listener's /status says why",
            ),
            Code::Overloaded => {
                ("overloaded", 503, "Too many connections", "try again in a moment, or elsewhere")
            }
            Code::Internal => ("internal", 500, "A fault of the server", "the server's log says more"),
        }
    }

    /// As in answers, metrics and tests.
    pub const fn text(self) -> &'static str {
        self.texts().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.texts().1
    }

    /// For people: what kind of problem.
    pub const fn title(self) -> &'static str {
        self.texts().2
    }

    /// For people: what to do, where nothing more particular is known.
    pub const fn detail(self) -> &'static str {
        self.texts().3
    }
}
