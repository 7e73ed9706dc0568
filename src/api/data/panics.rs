//! A panic is one request's 500, not the end of the requests beside it.
//!
//! What a panic says is left to the panic hook. Nothing that one can leave half-done is looked at again:
//! the buffers that requests share are cleared before they are used.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use hyper::HeaderMap;

/// The future's output; nothing where it panicked.
pub(crate) async fn contained<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// What a function returns; nothing where it panicked.
pub(super) fn caught<T>(function: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(function)).ok()
}

/// Where a test can ask for a panic, by a header that names the place. Debug builds alone know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where a request is answered.
    Answer,
    /// Where a line of a batch is.
    Line,
    /// On the thread that explains.
    Explain,
    /// Outside of any request, where hyper is driven.
    Connection,
}

/// The header that asks for one.
pub(super) const HEADER: &str = "x-switchboard-panic";
/// Its value where the request is answered without hyper.
pub(super) const DIRECTLY: &[u8] = b"Directly";

/// Panics where a request that is answered without hyper asks for it, in a debug build.
#[inline]
#[allow(clippy::panic, reason = "a panic is what is asked for, and only a debug build hears it")]
pub(super) fn asked_directly(request: &[u8]) {
    #[cfg(debug_assertions)]
    if memchr::memmem::find(request, DIRECTLY).is_some() {
        panic!("asked for");
    }
    let _ = request;
}

/// Panics where the headers ask for it, in a debug build.
#[inline]
#[allow(clippy::panic, reason = "a panic is what is asked for, and only a debug build hears it")]
pub(crate) fn asked(headers: &HeaderMap, place: Place) {
    #[cfg(debug_assertions)]
    if headers.get(HEADER).is_some_and(|named| *named == *format!("{place:?}")) {
        panic!("asked for");
    }
    let _ = (headers, place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_only_what_panics() {
        assert_eq!(contained(async { 1 }).await, Some(1));
        let panics = contained(async {
            tokio::task::yield_now().await;
            panic!("+447400123456");
        });
        assert_eq!(panics.await, None::<()>);
        assert_eq!(caught(|| -> u8 { panic!("x") }), None);
    }
}
