//! The address of a listener as a URL.

use std::path::PathBuf;

use http::Uri;

use super::ClientError;

/// The address of a listener of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The URL without a path.
    pub url: String,
    /// The place that a client connects to.
    pub place: Place,
    /// The value of the header `Host`.
    pub host: String,
    /// The path that precedes every route, for a daemon behind a proxy. Does not end with a slash.
    pub prefix: String,
}

/// The place that a client connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A host and a port.
    Tcp {
        /// The host and the port, as in a URL.
        authority: String,
        /// The host that the certificate must name. `None` without TLS.
        tls_name: Option<String>,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads a URL such as `http://127.0.0.1:7400`, or `unix:` and the path of a Unix socket.
    ///
    /// # Errors
    /// Returns the fault. Its text does not repeat the URL, which may contain a password.
    pub fn from_url(url: &str) -> Result<Address, ClientError> {
        let expected = "expected a URL such as http://127.0.0.1:7400, https://localhost:7400 or unix:PATH";
        let fault = |fault: &str| ClientError::Usage(format!("{fault}: {expected}"));
        if let Some(path) = url.strip_prefix("unix:") {
            if path.is_empty() || path.ends_with('/') {
                return Err(fault("the path of the Unix socket is missing"));
            }
            let (place, host) = (Place::Unix(path.into()), "localhost".to_owned());
            return Ok(Address { url: url.to_owned(), place, host, prefix: String::new() });
        }
        let uri: Uri = url.parse().map_err(|_| fault("this is not a URL"))?;
        let (Some(scheme @ ("http" | "https")), Some(authority), Some(host)) =
            (uri.scheme_str(), uri.authority(), uri.host())
        else {
            return Err(fault("this is not a URL that begins with http:// or https://"));
        };
        if authority.as_str().contains('@') {
            return Err(fault("a URL cannot have a user or a password"));
        }
        if uri.query().is_some() || host.is_empty() {
            return Err(fault("the URL of a daemon has a host and no query"));
        }
        // The parser accepts a port that is no number of 16 bits, and then has none.
        if authority.as_str() != host && uri.port_u16().is_none() {
            return Err(fault("the port of a URL is a number up to 65535"));
        }
        let has_tls = scheme == "https";
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(if has_tls { 443 } else { 80 }));
        let tls_name = has_tls.then(|| host.trim_matches(['[', ']']).to_owned());
        Ok(Address {
            url: format!("{scheme}://{authority}"),
            host: authority.clone(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            place: Place::Tcp { authority, tls_name },
        })
    }

    /// Returns whether clients connect with TLS.
    pub fn has_tls(&self) -> bool {
        matches!(&self.place, Place::Tcp { tls_name: Some(_), .. })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn url_has_a_host_a_port_and_a_prefix() {
        for (url, expected, prefix, tls) in [
            ("http://127.0.0.1:7400", "127.0.0.1:7400", "", None),
            ("http://[::1]:7400/", "[::1]:7400", "", None),
            ("http://gateway.example/switchboard/", "gateway.example:80", "/switchboard", None),
            ("https://gateway.example", "gateway.example:443", "", Some("gateway.example")),
            ("https://[::1]:7400", "[::1]:7400", "", Some("::1")),
        ] {
            let address = Address::from_url(url).unwrap();
            assert_eq!(address.has_tls(), tls.is_some(), "{url}");
            let Place::Tcp { authority, tls_name } = address.place else { panic!("{url}") };
            assert_eq!((&*authority, tls_name.as_deref()), (expected, tls), "{url}");
            assert_eq!((&*address.host, &*address.prefix), (expected, prefix), "{url}");
        }
        let address = Address::from_url("unix:/run/a:b.sock").unwrap();
        assert!(matches!(address.place, Place::Unix(path) if path == Path::new("/run/a:b.sock")));
    }

    #[test]
    fn other_urls_are_wrong_usage_and_are_not_repeated() {
        for (url, words) in [
            ("https://:7400", "expected a URL"),
            ("unix:", "Unix socket is missing"),
            ("unix:/secret/", "Unix socket is missing"),
            ("http://user:secret@host:7400", "password"),
            ("127.0.0.1:7400/secret", "http://"),
            ("localhost:7400", "http://"),
            ("", "http://"),
            ("http://host:7400/?secret", "no query"),
            ("http://host:99999999", "http://"),
        ] {
            let error = Address::from_url(url).expect_err(url);
            let ClientError::Usage(message) = &error else { panic!("{url}: {error}") };
            assert!(message.contains(words) && !message.contains("secret"), "{message}");
        }
    }
}
