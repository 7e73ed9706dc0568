//! The rejection of a snapshot: its stage and its reason.

use super::header::BadHeader;

switchboard_model::text_enum! {
    /// The stage at which a snapshot is rejected. The checks of a file come first, in their order. The metric
    /// that counts rejections has the stage as its label.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum RejectionStage {
        /// The header has other magic bytes, another format version or another schema digest.
        Header => "header",
        /// The file has fewer or more bytes than its header announces.
        Length => "length",
        /// The checksum does not match, so some bytes have changed.
        Checksum => "checksum",
        /// The bytes are not an archive of the records, or a test cannot be parsed.
        Archive => "archive",
        /// A record refers to a missing record, is in the wrong order, or contradicts another record.
        Index => "index",
        /// The snapshot fails the tests that it carries.
        Tests => "tests",
        /// The generation is not newer than the one in service.
        Generation => "generation",
        /// The registry has errors, so there is no snapshot.
        Registry => "registry",
    }
}

/// The rejection of a snapshot.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// The stage at which the snapshot is rejected.
    pub stage: RejectionStage,
    /// The reason, with a remedy if there is one.
    pub reason: String,
}

impl RejectionStage {
    /// Creates a rejection at this stage.
    pub fn rejection(self, reason: impl Into<String>) -> Rejection {
        Rejection { stage: self, reason: reason.into() }
    }
}

impl From<BadHeader> for Rejection {
    fn from(bad: BadHeader) -> Rejection {
        let stage =
            if matches!(bad, BadHeader::Short(_)) { RejectionStage::Length } else { RejectionStage::Header };
        stage.rejection(bad.to_string())
    }
}
