//! The greeting of the daemon on a terminal: five lines that say what is served and what to try.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use serde_json::json;
use switchboard_model::UnixMillis;
use switchboard_pipeline::SnapshotSource;
use switchboard_select::{Query, SelectContext, select};
use switchboard_server::BoundAddress;
use switchboard_snapshot::AccountIdx;

use crate::runtime::{Generation, Store};

/// Maximum number of queries that are tried to find one that selects an account. A try takes a microsecond.
const MAX_TRIES: usize = 50_000;
/// Maximum number of countries in the tried queries, and of accounts that they are collected from.
const MAX_COUNTRIES: usize = 10;
const MAX_ACCOUNTS: u32 = 1_000;

/// The addresses of a listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListenerAddresses<'a> {
    pub(super) addresses: &'a [BoundAddress],
    /// Whether its TCP addresses have TLS.
    pub(super) has_tls: bool,
    /// Whether callers need a credential.
    pub(super) has_principals: bool,
}

/// Returns the greeting: the version, the source, the addresses, a command to try, and the documents. `is_restored`
/// is whether the snapshot in service is from the state directory.
pub(super) fn greeting(
    source: &SnapshotSource,
    is_restored: bool,
    store: &Store,
    data: ListenerAddresses<'_>,
    admin: ListenerAddresses<'_>,
) -> String {
    let addresses = |listening: ListenerAddresses<'_>| {
        let urls = listening.addresses.iter().map(|address| url(address, listening.has_tls));
        urls.collect::<Vec<_>>().join(" ")
    };
    let generation = store.current();
    let (served, attempt) = match &generation {
        Some(generation) => {
            let counts = generation.snapshot.counts();
            let (number, companies, accounts) =
                (generation.snapshot.generation(), counts.companies, counts.accounts);
            let served = format!(
                "{} (companies: {companies}, accounts: {accounts}, generation: {number})",
                origin(source, is_restored)
            );
            let attempt = match example_query(generation) {
                Some(query) => curl(data, &format!("/v1/select?{query}")),
                None => curl(admin, "/status"),
            };
            (served, attempt)
        }
        None => {
            let served = format!(
                "nothing yet: the daemon waits for {}, and reads it again after each change",
                source.describe()
            );
            (served, curl(admin, "/readyz"))
        }
    };
    format!(
        "Switchboard {version}\n\
         Serves   {served}\n\
         Listens  for queries on {data}, for the console, /metrics and /status on {admin}\n\
         Try      {attempt}\n\
         Read     switchboard --help, man switchboard, docs/ beside the source code, {openapi}\n",
        version = env!("CARGO_PKG_VERSION"),
        openapi = openapi(admin),
        data = addresses(data),
        admin = addresses(admin),
    )
}

/// Returns the name of the source. The demo is named as such, because a person may expect a registry.
fn origin(source: &SnapshotSource, is_restored: bool) -> String {
    match source {
        _ if is_restored => {
            format!("the last snapshot of the state directory, until {} is usable", source.describe())
        }
        SnapshotSource::Demo => {
            "the demo registry that is part of the program; --registry DIR serves your own".to_owned()
        }
        other => other.describe(),
    }
}

/// Returns the URL of an address. A wildcard address becomes one that a client on this machine can use.
fn url(address: &BoundAddress, has_tls: bool) -> String {
    let BoundAddress::Tcp(address) = address else { return address.to_string() };
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if has_tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

/// Returns a command that sends a request to the first address, to a TCP address if there is one.
fn curl(listening: ListenerAddresses<'_>, target: &str) -> String {
    let token = if listening.has_principals { "-H 'Authorization: Bearer TOKEN' " } else { "" };
    match preferred(listening.addresses) {
        Some(BoundAddress::Unix(path)) => {
            format!("curl {token}--unix-socket '{}' 'http://localhost{target}'", path.display())
        }
        Some(address) => {
            let authority = if listening.has_tls { "--cacert CA.pem " } else { "" };
            format!("curl {token}{authority}'{}{target}'", url(address, listening.has_tls))
        }
        None => String::new(),
    }
}

/// Returns the place of the description of both listeners.
fn openapi(admin: ListenerAddresses<'_>) -> String {
    match preferred(admin.addresses) {
        Some(BoundAddress::Unix(path)) => format!("/openapi.json on unix:{}", path.display()),
        Some(address) => format!("{}/openapi.json", url(address, admin.has_tls)),
        None => String::new(),
    }
}

/// Returns the first TCP address, or the first address if none is of TCP.
fn preferred(addresses: &[BoundAddress]) -> Option<&BoundAddress> {
    addresses.iter().find(|address| address.as_tcp().is_some()).or(addresses.first())
}

/// Returns the query string of a query that selects an account, or `None` if none is found.
fn example_query(generation: &Generation) -> Option<String> {
    let snapshot = &generation.snapshot;
    let now = UnixMillis::from(SystemTime::now()).to_seconds();
    let context = SelectContext { now, random: 0, standings: &generation.overlay };
    let accounts = u32::try_from(snapshot.counts().accounts).unwrap_or(u32::MAX).min(MAX_ACCOUNTS);
    let mut countries = Vec::new();
    for country in (0..accounts).filter_map(|at| snapshot.account(AccountIdx::new(at)).country()) {
        if countries.len() < MAX_COUNTRIES && !countries.contains(&country) {
            countries.push(country);
        }
    }
    let queries = snapshot.companies().flat_map(|company| {
        let channels = snapshot.channels().filter(move |channel| company.has_pools_of(channel.idx()));
        let countries = &countries;
        channels.flat_map(move |channel| {
            company.ous().flat_map(move |ou| {
                countries.iter().map(move |country| [company.id(), channel.id(), ou.id(), country.alpha2()])
            })
        })
    });
    queries.take(MAX_TRIES).find_map(|[company, channel, ou, country]| {
        let json = json!({"company": company, "channel": channel, "ou": ou, "country": country}).to_string();
        let query = Query::from_json(json.as_bytes()).ok()?;
        select(snapshot, &query, context).result.ok()?;
        let [company, channel, ou] = [company, channel, ou].map(escaped);
        Some(format!("company={company}&channel={channel}&ou={ou}&country={country}"))
    })
}

/// Percent-encodes an id for a query string in single quotes.
fn escaped(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing into a `String` cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcard_addresses_become_reachable_urls() {
        for (address, expected) in [
            ("0.0.0.0:1", "http://127.0.0.1:1"),
            ("[::]:2", "http://[::1]:2"),
            ("192.0.2.1:3", "http://192.0.2.1:3"),
        ] {
            assert_eq!(url(&BoundAddress::Tcp(address.parse().unwrap()), false), expected);
        }
        assert_eq!(url(&BoundAddress::Tcp("127.0.0.1:1".parse().unwrap()), true), "https://127.0.0.1:1");
    }

    #[test]
    fn command_to_try_uses_a_tcp_address_if_there_is_one() {
        let unix = BoundAddress::Unix("/run/data.sock".into());
        let tcp = BoundAddress::Tcp("127.0.0.1:1".parse().unwrap());
        let unix_command = "curl --unix-socket '/run/data.sock' 'http://localhost/status'";
        let curl = |addresses: &[BoundAddress]| {
            curl(ListenerAddresses { addresses, has_tls: false, has_principals: false }, "/status")
        };
        assert_eq!(curl(std::slice::from_ref(&unix)), unix_command);
        assert_eq!(curl(&[unix, tcp.clone()]), "curl 'http://127.0.0.1:1/status'");
        let guarded = ListenerAddresses { addresses: &[tcp], has_tls: true, has_principals: true };
        let command = "curl -H 'Authorization: Bearer TOKEN' --cacert CA.pem 'https://127.0.0.1:1/status'";
        assert_eq!(super::curl(guarded, "/status"), command);
    }

    #[test]
    fn id_is_escaped_for_a_url() {
        assert_eq!(escaped("a-b_c.d~1"), "a-b_c.d~1");
        assert_eq!(escaped("a&b=c#d%+?"), "a%26b%3Dc%23d%25%2B%3F");
    }

    #[test]
    fn snapshot_of_the_state_directory_is_named_as_such() {
        let source = SnapshotSource::Registry("/srv/registry".into());
        assert_eq!(origin(&source, false), "the registry /srv/registry");
        let expected = "the last snapshot of the state directory, until the registry /srv/registry is usable";
        assert_eq!(origin(&source, true), expected);
    }

    #[test]
    fn greeting_without_a_snapshot_says_what_the_daemon_waits_for() {
        let source = SnapshotSource::Registry("/no/such".into());
        let addresses = [BoundAddress::Tcp("127.0.0.1:7400".parse().unwrap())];
        let data = ListenerAddresses { addresses: &addresses, has_tls: false, has_principals: false };
        let text = greeting(&source, false, &Store::default(), data, data);
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.contains("nothing yet: the daemon waits for the registry /no/such"), "{text}");
        assert!(text.contains("curl 'http://127.0.0.1:7400/readyz'"), "{text}");
    }
}
