//! The console: a page of the admin listener for administrators and engineers on call. The page is HTML, and its
//! modules of JavaScript draw what the routes of the admin listener return.
//!
//! `page` renders the page, and `assets` has the files that it loads. `map` is the part that the command `coverage`
//! shows as well.

mod assets;
pub(crate) mod map;
mod page;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use switchboard_server::{Response, respond};

use assets::{ASSETS_FOLDER, Asset};

/// Headers of the page and of every asset. The policy of the page, which also names the digest of its inline
/// import map, is in [`page`].
const HEADERS: [(HeaderName, &str); 3] =
    [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer"), (VARY, "accept-encoding")];
/// The name of an asset has its digest, so a browser never asks again.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The page names the assets of this version. A browser asks each time whether it has changed.
const REVALIDATE: &str = "no-cache";

/// Returns the page for `/`, the asset of another path, or `None` for a path of neither.
pub(crate) fn answer(path: &str, request: &HeaderMap) -> Option<Response> {
    if path == "/" {
        let page = page::page();
        let mut response = file(&page.html, request, REVALIDATE);
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, page.policy.clone());
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        return Some(response);
    }
    let name = path.strip_prefix(ASSETS_FOLDER)?;
    Some(file(assets::find(name)?, request, FOR_EVER))
}

/// Returns the answer with a file, compressed where the client accepts gzip, or 304 where it has the file.
fn file(asset: &Asset, request: &HeaderMap, cache: &'static str) -> Response {
    let has_it = has_version(request, asset.etag());
    let is_gzip = accepts_gzip(request);
    let mut response = match (has_it, is_gzip) {
        (true, _) => respond(304, asset.media_type(), Bytes::new()),
        (false, true) => respond(200, asset.media_type(), asset.gzip()),
        (false, false) => respond(200, asset.media_type(), asset.plain()),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(ETAG, asset.etag().clone());
    if is_gzip && !has_it {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Returns whether the client has this version, by the weak comparison of RFC 9110, 13.1.2.
fn has_version(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let etag = etag.to_str().unwrap_or_default();
    let known = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    known
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || opaque(tag) == opaque(etag))
}

/// Returns whether a request accepts gzip, without a weight of 0 (RFC 9110, 12.5.3).
fn accepts_gzip(request: &HeaderMap) -> bool {
    let codings = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        matches!(name.trim(), "gzip" | "*") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accept))])
    }

    #[test]
    fn gzip_is_sent_only_to_clients_that_accept_it() {
        for (accept, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, gzip;q=0.8", true),
            ("*", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(&headers(accept)), expected, "{accept}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_browser_that_has_a_file_gets_no_body() {
        let first = answer("/", &headers("gzip")).unwrap();
        let etag = first.headers()[ETAG].clone();
        let strong = etag.to_str().unwrap().trim_start_matches("W/").to_owned();
        for known in
            [etag.to_str().unwrap().to_owned(), strong.clone(), format!("\"x\", {strong}"), "*".to_owned()]
        {
            let known = HeaderValue::from_str(&known).unwrap();
            let again = answer("/", &HeaderMap::from_iter([(IF_NONE_MATCH, known)])).unwrap();
            assert_eq!(again.status(), 304);
            assert!(!again.headers().contains_key(CONTENT_ENCODING));
        }
        let other = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static("\"x\""))]);
        assert_eq!(answer("/", &other).unwrap().status(), 200);
    }
}
