//! Reads the body of a request to the admin listener, up to a limit.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use switchboard_server::Problem;
use switchboard_server::response::{BAD_REQUEST, BODY_TOO_LARGE};

/// Reads a whole body. `what` names its content, such as `standing`.
///
/// # Errors
/// Returns `body_too_large` for more than `max_bytes`, and `bad_request` for a body that ends early.
pub(super) async fn read(body: Incoming, what: &str, max_bytes: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("Send a {what} of at most {max_bytes} bytes.");
        Problem::new(&BODY_TOO_LARGE).with_detail(detail)
    };
    // Before the body is asked for, if its length is announced.
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(too_large());
    }
    match Limited::new(body, max_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(&BAD_REQUEST).with_detail(
            "The body is shorter than announced, or its chunks are malformed. Send the request again.",
        )),
    }
}
