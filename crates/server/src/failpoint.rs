//! Panics that a test asks for, by a request header that names the place. Without the feature `fault-injection`, which
//! only tests turn on, all of this compiles to nothing.

use std::future::Future;

use hyper::HeaderMap;

/// Whether requests can ask for a panic.
pub const ENABLED: bool = cfg!(feature = "fault-injection");
/// The header that asks for one. Its value is the name of a place.
pub const HEADER: &str = "x-switchboard-panic";
/// The place in a service's fast path.
pub const FAST_PATH: &str = "fast_path";

#[cfg(feature = "fault-injection")]
tokio::task_local! {
    /// The place that the request in hand names.
    static NAMED: String;
}

/// The place where a request asks for a panic, if any.
pub(crate) struct Failpoint {
    #[cfg(feature = "fault-injection")]
    name: String,
}

#[cfg(feature = "fault-injection")]
impl Failpoint {
    pub(crate) fn from_headers(headers: &HeaderMap) -> Failpoint {
        let name = headers.get(HEADER).and_then(|name| name.to_str().ok());
        Failpoint { name: name.unwrap_or_default().to_owned() }
    }

    /// Returns a future in which [`failpoint`] knows the request's header.
    pub(crate) fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        NAMED.scope(self.name, future)
    }
}

#[cfg(not(feature = "fault-injection"))]
impl Failpoint {
    #[inline]
    pub(crate) fn from_headers(_: &HeaderMap) -> Failpoint {
        Failpoint {}
    }

    #[inline]
    pub(crate) fn scope<F: Future>(self, future: F) -> F {
        future
    }
}

/// Panics where the request in hand names this place.
#[inline]
pub fn failpoint(name: &str) {
    panic_if(is_named(name));
}

/// Returns whether the request in hand names this place. For work on another thread, which calls [`panic_if`].
#[inline]
pub fn is_named(name: &str) -> bool {
    #[cfg(feature = "fault-injection")]
    return NAMED.try_with(|named| named == name).unwrap_or(false);
    #[cfg(not(feature = "fault-injection"))]
    {
        let _ = name;
        false
    }
}

/// Returns whether these bytes of a request name this place. For the fast path, which has no parsed headers.
#[inline]
pub fn is_named_in(request: &[u8], name: &str) -> bool {
    ENABLED && memchr::memmem::find(request, name.as_bytes()).is_some()
}

/// Panics where the condition holds and the feature is on.
#[inline]
#[allow(clippy::panic, reason = "the test asks for it")]
pub fn panic_if(condition: bool) {
    if ENABLED && condition {
        panic!("the request asked for it");
    }
}
