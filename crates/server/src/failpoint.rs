//! Panics that a test requests with a header, which names a point in the code. Without the feature
//! `fault-injection`, which only tests enable, this module compiles to nothing.

use std::future::Future;

use hyper::HeaderMap;

/// Whether a request can ask for a panic.
pub const ENABLED: bool = cfg!(feature = "fault-injection");
/// The header that asks for a panic. Its value is the name of a failpoint.
pub const HEADER: &str = "x-switchboard-panic";
/// Name of the failpoint in a service's fast path.
pub const FAST_PATH: &str = "fast_path";

#[cfg(feature = "fault-injection")]
tokio::task_local! {
    /// The failpoint that the current request names.
    static NAMED: String;
}

/// The failpoint that a request names, if any.
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

/// Panics if the current request names this failpoint.
#[inline]
pub fn failpoint(name: &str) {
    panic_if(is_named(name));
}

/// Returns whether the current request names this failpoint. For work on another thread, which then calls
/// [`panic_if`].
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

/// Returns whether the bytes of a request contain the name of this failpoint. For the fast path, which has no
/// parsed headers.
#[inline]
pub fn is_named_in(request: &[u8], name: &str) -> bool {
    ENABLED && memchr::memmem::find(request, name.as_bytes()).is_some()
}

/// Panics if the condition holds and the feature is enabled.
#[inline]
#[allow(clippy::panic, reason = "a test asks for the panic")]
pub fn panic_if(condition: bool) {
    if ENABLED && condition {
        panic!("the request asked for a panic");
    }
}
