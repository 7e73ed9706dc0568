//! Catches panics, so that a request that panics ends alone.
//!
//! The panic hook reports the message. Nothing that a panic leaves half-done is read again: the buffers that requests
//! share are cleared before they are used.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Returns the future's output, or `None` where the future panicked.
pub async fn catch_panic_async<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// Returns the function's result, or `None` where the function panicked.
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
