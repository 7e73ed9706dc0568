//! Catches panics, so that a panic ends one request and not the process.
//!
//! The panic hook logs the message. No half-finished state is read after a panic: the buffers that requests
//! share are cleared before each use.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Returns the future's output. Returns `None` if the future panicked.
pub async fn catch_panic_async<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// Returns the function's result. Returns `None` if the function panicked.
#[inline]
pub fn catch_panic<T>(function: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(function)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_becomes_none() {
        assert_eq!(catch_panic_async(async { 1 }).await, Some(1));
        let panics = catch_panic_async(async {
            tokio::task::yield_now().await;
            panic!("+447400123456");
        });
        assert_eq!(panics.await, None::<()>);
        assert_eq!(catch_panic(|| -> u8 { panic!("x") }), None);
    }
}
