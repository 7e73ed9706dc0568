//! Why bytes are rejected as a snapshot, and at which stage.

use super::header::BadHeader;

/// The stage that rejects a snapshot: the label of the metric that counts rejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionStage {
    /// Magic, version, schema.
    Header,
    /// The file has fewer or more bytes than its header says.
    Length,
    /// The bytes are not those that were written.
    Checksum,
    /// The bytes are no archive of the records.
    Archive,
    /// A record points where nothing is, is out of order, or contradicts another record.
    Index,
    /// The snapshot fails its own tests.
    Tests,
    /// The generation is not newer than the one in service.
    Generation,
    /// The registry has errors.
    Registry,
}

/// Why a snapshot is rejected.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// The stage that rejects it.
    pub stage: RejectionStage,
    /// The reason, with the remedy where there is one.
    pub reason: String,
}

impl RejectionStage {
    /// Every stage.
    pub const ALL: [RejectionStage; 8] = [
        RejectionStage::Header,
        RejectionStage::Length,
        RejectionStage::Checksum,
        RejectionStage::Archive,
        RejectionStage::Index,
        RejectionStage::Tests,
        RejectionStage::Generation,
        RejectionStage::Registry,
    ];

    /// Returns the label of the metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            RejectionStage::Header => "header",
            RejectionStage::Length => "length",
            RejectionStage::Checksum => "checksum",
            RejectionStage::Archive => "archive",
            RejectionStage::Index => "index",
            RejectionStage::Tests => "tests",
            RejectionStage::Generation => "generation",
            RejectionStage::Registry => "registry",
        }
    }

    /// Returns a rejection at this stage.
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
