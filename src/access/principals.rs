//! The principals and the decision about one request: which principal calls, and what it may do.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use sha2::{Digest, Sha256};
use switchboard_model::{SelectError, UnixSeconds};
use switchboard_select::Query;
use switchboard_server::{NameKind, SubjectName};

/// Name of the principal that stands for callers without a credential.
pub const ANONYMOUS: &str = "anonymous";
/// The scheme of the header `Authorization`, with the blank after it.
const BEARER: &[u8] = b"bearer ";

switchboard_model::text_enum! {
    /// A permission of a principal.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Permission {
        /// Selections, batches and look-ups of an address.
        Select => "select",
        /// Explanations.
        Explain => "explain",
        /// Lists of standings. With all companies, also `/status`.
        Read => "read",
        /// Changes of standings.
        Standings => "standings",
        /// The metrics of the daemon.
        Metrics => "metrics",
    }
}

/// The demand of a route on its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The permission that the caller must have.
    pub permission: Permission,
    /// Whether the answer covers all companies, so that a list of companies does not suffice.
    pub whole: bool,
}

impl Need {
    /// Returns the demand of a route that answers for one company at a time.
    pub const fn of(permission: Permission) -> Need {
        Need { permission, whole: false }
    }

    /// Returns the demand of a route whose answer covers all companies.
    pub const fn whole(permission: Permission) -> Need {
        Need { permission, whole: true }
    }
}

/// The companies of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Companies {
    /// Every company: `["*"]`.
    All,
    /// The listed companies, at least one, sorted.
    Listed(Vec<Box<str>>),
    /// No company, for a principal that may at most read metrics.
    None,
}

/// The hash of a token, and when the token was last used.
#[derive(Debug, Clone)]
pub struct TokenHash {
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// Unix time of the last use in seconds, or 0. A reload of the file keeps it.
    last_use: Arc<AtomicI64>,
}

impl TokenHash {
    /// Creates the hash of a token that was never used.
    pub fn new(sha256: [u8; 32]) -> TokenHash {
        TokenHash { sha256, last_use: Arc::default() }
    }

    /// Returns the time of the last use, or `None` if the token was not used in this process.
    pub fn last_use(&self) -> Option<UnixSeconds> {
        Some(UnixSeconds(self.last_use.load(Relaxed))).filter(|at| at.0 != 0)
    }

    /// Records a use. Writes at most once a second, because all workers share the value.
    fn record_use(&self, now: UnixSeconds) {
        if self.last_use.load(Relaxed) != now.0 {
            self.last_use.store(now.0, Relaxed);
        }
    }
}

/// An identity that may call: its credentials, companies and permissions.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The name, for logs and `/status`.
    pub name: Box<str>,
    /// The hashes of its tokens.
    pub tokens: Vec<TokenHash>,
    /// The subject alternative name of its client certificate.
    pub certificate: Option<Box<str>>,
    /// The companies that it may name.
    pub companies: Companies,
    /// Its permissions.
    pub allow: Vec<Permission>,
    /// The end of its credentials: the first refused day, and the beginning of that day in UTC.
    pub expires: Option<(jiff::civil::Date, UnixSeconds)>,
}

impl Principal {
    /// Returns whether its credentials have expired.
    pub fn has_expired(&self, now: UnixSeconds) -> bool {
        self.expires.is_some_and(|(_, at)| at <= now)
    }

    /// Returns the companies that its requests may name.
    pub fn scope(&self) -> CompanyScope<'_> {
        match &self.companies {
            Companies::All => CompanyScope::All,
            Companies::Listed(ids) => CompanyScope::Listed(ids),
            Companies::None => CompanyScope::Listed(&[]),
        }
    }

    fn meets(&self, need: Need) -> bool {
        let is_whole = !matches!(self.companies, Companies::Listed(_));
        self.allow.contains(&need.permission) && (is_whole || !need.whole)
    }
}

/// The companies that a request may name. Requests for other companies are answered as requests for unknown
/// ones.
#[derive(Debug, Clone, Copy)]
pub enum CompanyScope<'p> {
    /// Every company.
    All,
    /// The companies with these ids, which are sorted.
    Listed(&'p [Box<str>]),
}

impl<'p> CompanyScope<'p> {
    /// Returns whether a request may name this company.
    pub fn contains(self, company: &str) -> bool {
        match self {
            CompanyScope::All => true,
            CompanyScope::Listed(ids) => ids.binary_search_by(|id| (**id).cmp(company)).is_ok(),
        }
    }

    /// Returns the company of a request that names none, if the caller has exactly one.
    pub fn only(self) -> Option<&'p str> {
        match self {
            CompanyScope::Listed([only]) => Some(only),
            _ => None,
        }
    }

    /// Restricts a query to these companies, before any look-up. `only_company` is the company of a snapshot
    /// that has just one.
    ///
    /// # Errors
    /// Returns the error of a query for an unknown company if the query names another company, and the error
    /// of a query without a company if it names none and the snapshot's only company is another one.
    pub fn restrict<'q, 's>(
        self,
        query: &mut Query<'q>,
        only_company: impl FnOnce() -> Option<&'s str>,
    ) -> Result<(), SelectError>
    where
        'p: 'q,
    {
        if matches!(self, CompanyScope::All) {
            return Ok(());
        }
        match &query.company {
            Some(company) if self.contains(company) => Ok(()),
            Some(_) => Err(SelectError::UnknownCompany),
            None => match self.only() {
                Some(only) => {
                    query.company = Some(Cow::Borrowed(only));
                    Ok(())
                }
                None if only_company().is_some_and(|only| self.contains(only)) => Ok(()),
                None => Err(SelectError::BadRequest),
            },
        }
    }
}

/// The credential that a caller shows.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'r> {
    /// The caller shows no credential.
    None,
    /// The value of the only header `Authorization`.
    Authorization(&'r [u8]),
    /// A token that [`Principals::find_token`] has found: the index of its principal, and its own there.
    Token(usize, usize),
    /// Several headers `Authorization`.
    Several,
    /// A verified client certificate, of a caller without a header `Authorization`.
    Certificate {
        /// Its subject alternative names: URIs, DNS names and e-mail addresses.
        names: &'r [SubjectName],
        /// The first second in which it is valid.
        not_before: UnixSeconds,
        /// The last second in which it is valid.
        not_after: UnixSeconds,
    },
}

/// The reason why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The caller shows no credential, and there is no principal for such callers.
    NoCredential,
    /// The credential is not that of exactly one principal.
    UnknownCredential,
    /// The credential has expired. The index is that of its principal, unless only its certificate has expired.
    Expired(Option<usize>),
    /// The principal with this index does not have the permission.
    Forbidden(usize),
}

/// The caller of one request: a principal in one version of the principals.
#[derive(Debug, Clone)]
pub struct Caller {
    principals: Arc<Principals>,
    at: usize,
}

impl Caller {
    /// Returns the principal that calls.
    pub fn principal(&self) -> Option<&Principal> {
        self.principals.get(self.at)
    }

    /// Returns the companies that a request may name. A request without a caller may name every company.
    pub fn scope_of(caller: Option<&Caller>) -> CompanyScope<'_> {
        match caller {
            None => CompanyScope::All,
            Some(caller) => caller.principal().map_or(CompanyScope::Listed(&[]), Principal::scope),
        }
    }
}

/// One version of the principals. Never changes, except for the times of last use.
#[derive(Debug, Default)]
pub struct Principals {
    /// Differs from that of every other version in this process. 0 without principals.
    version: u64,
    all: Vec<Principal>,
    /// Index of the principal, and of the token among those of the principal.
    by_token: HashMap<[u8; 32], (usize, usize)>,
    by_certificate: HashMap<Box<str>, usize>,
    anonymous: Option<usize>,
}

impl Principals {
    /// Indexes principals whose names, hashes and certificates differ.
    pub fn new(all: Vec<Principal>) -> Principals {
        static VERSIONS: AtomicU64 = AtomicU64::new(1);
        let mut principals = Principals { version: VERSIONS.fetch_add(1, Relaxed), ..Principals::default() };
        for (at, principal) in all.iter().enumerate() {
            let tokens = principal.tokens.iter().zip(0..);
            principals.by_token.extend(tokens.map(|(token, number)| (token.sha256, (at, number))));
            let certificate = principal.certificate.as_deref().map(normal_name);
            principals.by_certificate.extend(certificate.map(|name| (name.into(), at)));
            if *principal.name == *ANONYMOUS {
                principals.anonymous = Some(at);
            }
        }
        Principals { all, ..principals }
    }

    /// Returns all principals, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Principal> {
        self.all.iter()
    }

    /// Returns the principal with an index.
    pub fn get(&self, at: usize) -> Option<&Principal> {
        self.all.get(at)
    }

    /// Returns whether callers without a credential have a principal.
    pub fn has_anonymous(&self) -> bool {
        self.anonymous.is_some()
    }

    /// Returns the index of the principal that calls, if it may do what the route needs.
    ///
    /// # Errors
    /// Returns the reason of the refusal.
    pub fn authorize(
        &self,
        credential: Credential<'_>,
        need: Need,
        now: UnixSeconds,
    ) -> Result<usize, Denial> {
        let (at, token) = match credential {
            Credential::None => (self.anonymous.ok_or(Denial::NoCredential)?, None),
            Credential::Token(at, number) => (at, Some(number)),
            Credential::Several => return Err(Denial::UnknownCredential),
            // Looked at for each request, because a connection may outlive its certificate.
            Credential::Certificate { not_before, not_after, .. } if now < not_before || now > not_after => {
                return Err(Denial::Expired(None));
            }
            Credential::Certificate { names, .. } => {
                (self.find_certificate(names).ok_or(Denial::UnknownCredential)?, None)
            }
            Credential::Authorization(value) => {
                let (at, number) = self.find_token(value).ok_or(Denial::UnknownCredential)?;
                (at, Some(number))
            }
        };
        let principal = self.all.get(at).ok_or(Denial::UnknownCredential)?;
        if principal.has_expired(now) {
            let is_anonymous = matches!(credential, Credential::None);
            return Err(if is_anonymous { Denial::NoCredential } else { Denial::Expired(Some(at)) });
        }
        if let Some(token) = token.and_then(|number| principal.tokens.get(number)) {
            token.record_use(now);
        }
        if principal.meets(need) { Ok(at) } else { Err(Denial::Forbidden(at)) }
    }

    /// Returns the number of this version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the index of the principal whose token a header `Authorization` has, and of the token there. The time
    /// it takes does not depend on how much of a wrong token is right, because the token is hashed.
    pub fn find_token(&self, authorization: &[u8]) -> Option<(usize, usize)> {
        let sha256 = <[u8; 32]>::from(Sha256::digest(bearer(authorization)?));
        self.by_token.get(&sha256).copied()
    }

    /// Returns the caller with an index, which holds this version of the principals.
    pub fn caller(self: &Arc<Principals>, at: usize) -> Caller {
        Caller { principals: Arc::clone(self), at }
    }

    /// Returns the only principal that one of these names belongs to.
    fn find_certificate(&self, names: &[SubjectName]) -> Option<usize> {
        let mut found = names
            .iter()
            // A URI with the text of a DNS name is another name.
            .filter(|name| kind_of(&name.text) == name.kind)
            .filter_map(|name| self.by_certificate.get(&*normal_name(&name.text)).copied());
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }

    /// Takes over the times of last use of tokens that an earlier version has too.
    pub(super) fn keep_last_uses(&mut self, earlier: &Principals) {
        for token in self.all.iter_mut().flat_map(|principal| &mut principal.tokens) {
            let known = earlier.by_token.get(&token.sha256);
            let known = known.and_then(|(at, number)| earlier.all.get(*at)?.tokens.get(*number));
            if let Some(known) = known {
                token.last_use = Arc::clone(&known.last_use);
            }
        }
    }
}

/// Returns the token of a header `Authorization: Bearer TOKEN`. The scheme is compared without case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    let token = token.trim_ascii();
    let is_token =
        scheme.eq_ignore_ascii_case(BEARER) && !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    is_token.then_some(token)
}

/// Returns the kind of name that a text of the principals file is. A URI has a colon, and no other name has one.
pub(super) fn kind_of(name: &str) -> NameKind {
    if name.contains(':') {
        NameKind::Uri
    } else if name.contains('@') {
        NameKind::Email
    } else {
        NameKind::Dns
    }
}

/// Returns a name of a certificate in the form in which names are compared: DNS names and the domains of
/// e-mail addresses without case, URIs as written.
pub(super) fn normal_name(name: &str) -> Cow<'_, str> {
    if kind_of(name) == NameKind::Uri {
        return Cow::Borrowed(name);
    }
    let (local, domain) = name.split_at(name.rfind('@').unwrap_or(0));
    if !domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(local.to_owned() + &domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_790_000_000);

    fn principal(name: &str, token: Option<&str>, certificate: Option<&str>) -> Principal {
        let hash = |token: &str| TokenHash::new(Sha256::digest(token.as_bytes()).into());
        Principal {
            name: name.into(),
            tokens: token.map(hash).into_iter().collect(),
            certificate: certificate.map(Into::into),
            companies: Companies::Listed(vec!["acme".into()]),
            allow: vec![Permission::Select],
            expires: None,
        }
    }

    fn subject_name(kind: NameKind, text: &str) -> SubjectName {
        SubjectName { kind, text: text.into() }
    }

    fn principals() -> Principals {
        let expired = Principal {
            expires: Some((jiff::civil::date(2026, 9, 21), NOW)),
            ..principal("old", Some("old-token"), Some("old.example"))
        };
        Principals::new(vec![
            principal("gateway", Some("good"), Some("spiffe://acme.example/gateway")),
            principal("other", None, Some("Ops@Acme.Example")),
            expired,
        ])
    }

    #[test]
    fn caller_is_found_by_its_token_alone() {
        let principals = principals();
        let ask = |value: &str| {
            principals.authorize(
                Credential::Authorization(value.as_bytes()),
                Need::of(Permission::Select),
                NOW,
            )
        };
        for good in ["Bearer good", "bearer good", "BEARER   good ", "Bearer good "] {
            assert_eq!(ask(good), Ok(0), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "good",
            "Basic good",
            "Bearer goo",
            "Bearer good2",
            "Bearer Good",
            "Bearer good good",
            "Bearergood",
            "Bearer \"good\"",
            "Bearer g\u{f6}\u{f6}d",
        ] {
            assert_eq!(ask(bad), Err(Denial::UnknownCredential), "{bad}");
        }
        assert_eq!(ask("Bearer old-token"), Err(Denial::Expired(Some(2))));
        let long = "x".repeat(5_000);
        let known = Principals::new(vec![principal("long", Some(&long), None)]);
        let header = format!("Bearer {long}");
        let credential = Credential::Authorization(header.as_bytes());
        assert_eq!(known.authorize(credential, Need::of(Permission::Select), NOW), Ok(0));
    }

    #[test]
    fn caller_is_found_by_the_names_of_its_certificate() {
        let principals = principals();
        let ask = |names: &[&str]| {
            let names: Vec<SubjectName> =
                names.iter().map(|name| subject_name(kind_of(name), name)).collect();
            let (not_before, not_after) = (UnixSeconds(NOW.0 - 10), UnixSeconds(NOW.0 + 10));
            let credential = Credential::Certificate { names: &names, not_before, not_after };
            principals.authorize(credential, Need::of(Permission::Select), NOW)
        };
        assert_eq!(ask(&["spiffe://acme.example/gateway"]), Ok(0));
        assert_eq!(ask(&["x.example", "Ops@ACME.example"]), Ok(1));
        for names in [
            &[][..],
            &["x.example"],
            &["ops@acme.example"],
            &["spiffe://ACME.example/gateway"],
            &["spiffe://acme.example/gateway", "Ops@acme.example"],
        ] {
            assert_eq!(ask(names), Err(Denial::UnknownCredential), "{names:?}");
        }
        assert_eq!(ask(&["OLD.example"]), Err(Denial::Expired(Some(2))));
    }

    #[test]
    fn name_of_a_certificate_counts_as_its_kind_alone() {
        let principals = Principals::new(vec![
            principal("host", None, Some("gw.acme.example")),
            principal("tag", None, Some("tag:Acme.example,2026:gw")),
            principal("user", None, Some("ops@acme.example")),
        ]);
        let ask = |kind, text| principals.find_certificate(&[subject_name(kind, text)]);
        for (text, expected) in [
            ("gw.acme.example", NameKind::Dns),
            ("tag:Acme.example,2026:gw", NameKind::Uri),
            ("ops@acme.example", NameKind::Email),
        ] {
            for kind in [NameKind::Dns, NameKind::Uri, NameKind::Email] {
                assert_eq!(ask(kind, text).is_some(), kind == expected, "{kind:?} {text}");
            }
        }
        // Only DNS names and domains are compared without case.
        assert_eq!(ask(NameKind::Uri, "tag:acme.example,2026:gw"), None);
        assert_eq!(ask(NameKind::Dns, "GW.acme.example"), Some(0));
        assert_eq!(ask(NameKind::Email, "ops@ACME.example"), Some(2));
    }

    #[test]
    fn certificate_is_refused_outside_the_time_of_its_validity() {
        let principals = principals();
        let names = [subject_name(NameKind::Uri, "spiffe://acme.example/gateway")];
        let (not_before, not_after) = (UnixSeconds(NOW.0 - 10), UnixSeconds(NOW.0 + 10));
        let credential = Credential::Certificate { names: &names, not_before, not_after };
        let ask = |offset| {
            principals.authorize(credential, Need::of(Permission::Select), UnixSeconds(NOW.0 + offset))
        };
        for offset in [-10, 0, 10] {
            assert_eq!(ask(offset), Ok(0), "{offset}");
        }
        for offset in [-11, 11] {
            assert_eq!(ask(offset), Err(Denial::Expired(None)), "{offset}");
        }
    }

    #[test]
    fn caller_without_a_credential_is_anonymous_or_refused() {
        let need = Need::of(Permission::Select);
        assert_eq!(principals().authorize(Credential::None, need, NOW), Err(Denial::NoCredential));
        let mut anonymous = principal(ANONYMOUS, None, None);
        let with = Principals::new(vec![principal("gateway", Some("good"), None), anonymous.clone()]);
        assert_eq!(with.authorize(Credential::None, need, NOW), Ok(1));
        let explain = Need::of(Permission::Explain);
        assert_eq!(with.authorize(Credential::None, explain, NOW), Err(Denial::Forbidden(1)));
        assert_eq!(with.authorize(Credential::Several, need, NOW), Err(Denial::UnknownCredential));
        let wrong = Credential::Authorization(b"Bearer wrong");
        assert_eq!(with.authorize(wrong, need, NOW), Err(Denial::UnknownCredential));
        anonymous.expires = Some((jiff::civil::date(2026, 9, 21), NOW));
        let ended = Principals::new(vec![anonymous]);
        assert_eq!(ended.authorize(Credential::None, need, NOW), Err(Denial::NoCredential));
    }

    #[test]
    fn credential_is_refused_from_the_first_second_of_its_day() {
        let mut one = principal("a", Some("good"), None);
        one.expires = Some((jiff::civil::date(2026, 9, 21), NOW));
        let principals = Principals::new(vec![one]);
        let ask = |now| {
            let credential = Credential::Authorization(b"Bearer good");
            principals.authorize(credential, Need::of(Permission::Select), now)
        };
        assert_eq!(ask(UnixSeconds(NOW.0 - 1)), Ok(0));
        assert_eq!(ask(NOW), Err(Denial::Expired(Some(0))));
    }

    #[test]
    fn routes_of_all_companies_need_all_companies() {
        let mut one = principal("a", Some("good"), None);
        one.allow = vec![Permission::Metrics, Permission::Read];
        let may = |one: &Principal, need| one.meets(need);
        assert!(may(&one, Need::of(Permission::Read)));
        assert!(!may(&one, Need::whole(Permission::Read)) && !may(&one, Need::whole(Permission::Metrics)));
        one.companies = Companies::All;
        assert!(may(&one, Need::whole(Permission::Read)) && may(&one, Need::whole(Permission::Metrics)));
        one.companies = Companies::None;
        assert!(may(&one, Need::whole(Permission::Metrics)));
        assert!(!may(&one, Need::of(Permission::Select)));
    }

    #[test]
    fn query_is_restricted_to_the_companies_of_the_caller() {
        let one: Vec<Box<str>> = vec!["acme".into()];
        let two: Vec<Box<str>> = vec!["acme".into(), "globex".into()];
        let restrict =
            |scope: CompanyScope<'_>, company: Option<&'static str>, only: Option<&'static str>| {
                let mut query = Query { company: company.map(Cow::Borrowed), ..Query::default() };
                let result = scope.restrict(&mut query, || only);
                result.map(|()| query.company.map(Cow::into_owned))
            };
        let named = |id: &str| Ok(Some(id.to_owned()));
        assert_eq!(restrict(CompanyScope::All, Some("x"), None), named("x"));
        assert_eq!(restrict(CompanyScope::All, None, None), Ok(None));
        assert_eq!(restrict(CompanyScope::Listed(&one), Some("acme"), None), named("acme"));
        assert_eq!(restrict(CompanyScope::Listed(&one), Some("x"), None), Err(SelectError::UnknownCompany));
        assert_eq!(restrict(CompanyScope::Listed(&one), None, Some("x")), named("acme"));
        assert_eq!(restrict(CompanyScope::Listed(&two), None, Some("globex")), Ok(None));
        assert_eq!(restrict(CompanyScope::Listed(&two), None, Some("x")), Err(SelectError::BadRequest));
        assert_eq!(restrict(CompanyScope::Listed(&two), None, None), Err(SelectError::BadRequest));
        assert_eq!(restrict(CompanyScope::Listed(&[]), Some("acme"), None), Err(SelectError::UnknownCompany));
    }

    #[test]
    fn last_use_outlives_a_reload() {
        let first = principals();
        let credential = Credential::Authorization(b"Bearer good");
        first.authorize(credential, Need::of(Permission::Select), NOW).unwrap();
        let mut second = principals();
        second.keep_last_uses(&first);
        let uses = |principals: &Principals, at: usize| principals.get(at).unwrap().tokens[0].last_use();
        assert_eq!((uses(&second, 0), uses(&second, 2)), (Some(NOW), None));
    }
}
