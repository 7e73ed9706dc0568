//! Reads the body of a request: checks its media type and collects it up to a limit.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use switchboard_model::MAX_QUERY_BYTES;
use switchboard_server::response::{BAD_REQUEST, BODY_TOO_LARGE};
use switchboard_server::{MemoryBudget, Problem, RequestClass, Reservation};

use crate::api::JSON;
use crate::api::routes::check_media_type;

/// Maximum number of bytes in the body of a batch.
const MAX_BATCH_BODY_BYTES: usize = 4 * 1024 * 1024;

/// The content of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// The body is one query.
    Query,
    /// The body has one query a line.
    Batch,
}

impl BodyKind {
    /// Returns the media type of the body, as in the header `Accept`.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            BodyKind::Query => JSON,
            BodyKind::Batch => "application/x-ndjson",
        }
    }

    fn max_bytes(self) -> usize {
        match self {
            BodyKind::Query => MAX_QUERY_BYTES,
            BodyKind::Batch => MAX_BATCH_BODY_BYTES,
        }
    }

    fn class(self) -> RequestClass {
        match self {
            BodyKind::Query => RequestClass::Single,
            BodyKind::Batch => RequestClass::Bulk,
        }
    }

    /// Checks the media type and the encoding of the body.
    pub(super) fn check(self, headers: &HeaderMap) -> Result<(), Problem> {
        check_media_type(headers, self.media_type())
    }

    /// Reads the whole body. Returns the body with its reservation of memory, which the caller holds until
    /// the request is answered.
    pub(super) async fn read(
        self,
        mut body: Incoming,
        budget: &Arc<MemoryBudget>,
    ) -> Result<(Bytes, Reservation), Problem> {
        let limit = self.max_bytes();
        let mut reservation = budget.reservation(self.class());
        if body.size_hint().lower() > limit as u64 {
            // The announced length suffices to reject the body without reading it.
            return Err(self.too_large());
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let incomplete = |_| {
                Problem::new(&BAD_REQUEST)
                    .with_detail("The body is shorter than announced, or its chunks are malformed. Send the request again.")
            };
            let Ok(data) = frame.map_err(incomplete)?.into_data() else { continue };
            if first.len() + all.len() + data.len() > limit {
                return Err(self.too_large());
            }
            // Nearly every body arrives in one piece, which is answered at once and not copied.
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
            BodyKind::Query => format!("The query has more than {limit} bytes. Send a shorter query."),
            BodyKind::Batch => {
                format!("The batch has more than {limit} bytes. Divide it into several batches.")
            }
        };
        Problem::new(&BODY_TOO_LARGE).with_detail(detail)
    }
}
