//! A request's body: whether it is of a type that is taken, and all of it, up to a limit.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};

use super::budget::{Budget, For, Share};
use super::problems::Problem;
use switchboard_select::Code;

/// Largest body of a single query: the longest fields come to less than 20 KB.
pub(super) const LARGEST_QUERY: usize = 64 * 1024;
/// Largest body of a batch.
pub(super) const LARGEST_BATCH: usize = 4 * 1024 * 1024;

const QUERY_TYPES: &str = "application/json";
const BATCH_TYPES: &str = "application/x-ndjson, application/ndjson, application/jsonl, application/json";

/// What a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// One query.
    Query,
    /// One query a line.
    Batch,
}

impl Holds {
    pub(super) fn types(self) -> &'static str {
        match self {
            Holds::Query => QUERY_TYPES,
            Holds::Batch => BATCH_TYPES,
        }
    }

    fn limit(self) -> usize {
        match self {
            Holds::Query => LARGEST_QUERY,
            Holds::Batch => LARGEST_BATCH,
        }
    }

    /// Whether the headers announce something that is taken. None at all is: many clients send none.
    pub(super) fn check(self, headers: &HeaderMap) -> Result<(), Problem> {
        if let Some(stated) = headers.get(CONTENT_TYPE) {
            let stated = stated.to_str().unwrap_or_default();
            let essence = stated.split(';').next().unwrap_or_default().trim();
            if !self.types().split(", ").any(|taken| taken.eq_ignore_ascii_case(essence)) {
                return Err(Problem::new(Code::UnsupportedMediaType).header(ACCEPT, self.types()));
            }
        }
        match headers.get(CONTENT_ENCODING) {
            Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
                let problem = Problem::new(Code::UnsupportedMediaType).header(ACCEPT_ENCODING, "identity");
                Err(problem.detail("the body is encoded; send it as it is"))
            }
            _ => Ok(()),
        }
    }

    fn whose(self) -> For {
        match self {
            Holds::Query => For::Query,
            Holds::Batch => For::Many,
        }
    }

    /// The whole body, and the share of the budget that it takes until it is answered.
    pub(super) async fn read(
        self,
        mut body: Incoming,
        budget: &Arc<Budget>,
    ) -> Result<(Bytes, Share), Problem> {
        let limit = self.limit();
        let mut share = budget.share(self.whose());
        if body.size_hint().lower() > limit as u64 {
            // Announced: not even asked for.
            return Err(self.too_large());
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let cut_short = |_| {
                Problem::new(Code::BadRequest)
                    .detail("the body ends too early, or is not chunked as announced")
            };
            let Ok(data) = frame.map_err(cut_short)?.into_data() else { continue };
            if first.len() + all.len() + data.len() > limit {
                return Err(self.too_large());
            }
            // Nearly always there is one piece, which is answered at once and is taken as it is.
            let waits = !(first.is_empty() && all.is_empty() && body.is_end_stream());
            if waits && !share.grow(data.len()) {
                return Err(Problem::crowded());
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
        Ok((if all.is_empty() { first } else { all.freeze() }, share))
    }

    fn too_large(self) -> Problem {
        let what = match self {
            Holds::Query => format!("a query has at most {LARGEST_QUERY} bytes"),
            Holds::Batch => format!("a batch has at most {LARGEST_BATCH} bytes; send it as several"),
        };
        Problem::new(Code::BodyTooLarge).detail(what)
    }
}
