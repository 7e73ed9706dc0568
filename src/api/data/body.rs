//! Reads a request's body: checks its type, and collects it up to a limit.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use switchboard_server::problem::{BAD_REQUEST, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE};
use switchboard_server::{MemoryBudget, Problem, RequestClass, Reservation};

/// The longest body of a single query: the longest fields come to less than 20 KB.
pub(super) const MAX_QUERY_BODY_BYTES: usize = 64 * 1024;
/// The longest body of a batch.
const MAX_BATCH_BODY_BYTES: usize = 4 * 1024 * 1024;

/// What a body contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// One query.
    Query,
    /// One query a line.
    Batch,
}

impl BodyKind {
    /// Returns the media types that are taken, as `Accept` lists them.
    pub(super) fn media_types(self) -> &'static str {
        match self {
            BodyKind::Query => "application/json",
            BodyKind::Batch => {
                "application/x-ndjson, application/ndjson, application/jsonl, application/json"
            }
        }
    }

    fn max_bytes(self) -> usize {
        match self {
            BodyKind::Query => MAX_QUERY_BODY_BYTES,
            BodyKind::Batch => MAX_BATCH_BODY_BYTES,
        }
    }

    fn class(self) -> RequestClass {
        match self {
            BodyKind::Query => RequestClass::Single,
            BodyKind::Batch => RequestClass::Bulk,
        }
    }

    /// Checks that the body is of a type that is taken. A request without a type passes, because many clients send none.
    pub(super) fn check(self, headers: &HeaderMap) -> Result<(), Problem> {
        if let Some(stated) = headers.get(CONTENT_TYPE) {
            let stated = stated.to_str().unwrap_or_default();
            let essence = stated.split(';').next().unwrap_or_default().trim();
            if !self.media_types().split(", ").any(|taken| taken.eq_ignore_ascii_case(essence)) {
                return Err(Problem::new(&UNSUPPORTED_MEDIA_TYPE).with_header(ACCEPT, self.media_types()));
            }
        }
        match headers.get(CONTENT_ENCODING) {
            Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
                let problem = Problem::new(&UNSUPPORTED_MEDIA_TYPE).with_header(ACCEPT_ENCODING, "identity");
                Err(problem.with_detail("the body is encoded; send it as it is"))
            }
            _ => Ok(()),
        }
    }

    /// Reads the whole body. Returns it with the memory that it keeps reserved until the request is answered.
    pub(super) async fn read(
        self,
        mut body: Incoming,
        budget: &Arc<MemoryBudget>,
    ) -> Result<(Bytes, Reservation), Problem> {
        let limit = self.max_bytes();
        let mut reservation = budget.reservation(self.class());
        if body.size_hint().lower() > limit as u64 {
            // The announced length is enough to refuse the body unread.
            return Err(self.too_large());
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let incomplete = |_| {
                Problem::new(&BAD_REQUEST)
                    .with_detail("the body ends too early, or is not chunked as announced")
            };
            let Ok(data) = frame.map_err(incomplete)?.into_data() else { continue };
            if first.len() + all.len() + data.len() > limit {
                return Err(self.too_large());
            }
            // Nearly every body is one piece, which is answered at once and not copied.
            let is_whole = first.is_empty() && all.is_empty() && body.is_end_stream();
            if !is_whole && !reservation.grow(data.len()) {
                return Err(Problem::out_of_memory_budget());
            }
            if first.is_empty() && all.is_empty() {
                first = data;
                continue;
            }
            if all.is_empty() {
                let announced = usize::try_from(body.size_hint().lower()).unwrap_or(limit).min(limit);
                all.reserve(first.len() + data.len() + announced);
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
        Ok((if all.is_empty() { first } else { all.freeze() }, reservation))
    }

    fn too_large(self) -> Problem {
        let limit = self.max_bytes();
        let detail = match self {
            BodyKind::Query => format!("a query has at most {limit} bytes"),
            BodyKind::Batch => format!("a batch has at most {limit} bytes; send it as several"),
        };
        Problem::new(&BODY_TOO_LARGE).with_detail(detail)
    }
}
