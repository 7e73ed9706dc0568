//! Why bytes are no snapshot, and at which stage of opening that was found.

use super::header::BadHeader;

/// Where in opening a snapshot was refused: the label of the rejections that SREs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Magic, version, schema.
    Header,
    /// Fewer or more bytes than the header says.
    Length,
    /// The bytes are not those that were written.
    Checksum,
    /// Not an archive of the records.
    Archive,
    /// A record that points where nothing is, out of order, or at odds with another.
    Index,
    /// Its own expected selections are not what it selects.
    Tests,
    /// A generation that is not newer than the one in service.
    Generation,
    /// The registry has findings.
    Registry,
}

/// Why bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// Where.
    pub stage: Stage,
    /// What, with the remedy where there is one.
    pub reason: String,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 8] = [
        Stage::Header,
        Stage::Length,
        Stage::Checksum,
        Stage::Archive,
        Stage::Index,
        Stage::Tests,
        Stage::Generation,
        Stage::Registry,
    ];

    /// As a metric's label.
    pub const fn text(self) -> &'static str {
        match self {
            Stage::Header => "header",
            Stage::Length => "length",
            Stage::Checksum => "checksum",
            Stage::Archive => "archive",
            Stage::Index => "index",
            Stage::Tests => "tests",
            Stage::Generation => "generation",
            Stage::Registry => "registry",
        }
    }

    /// A rejection at this stage.
    pub fn rejection(self, reason: impl Into<String>) -> Rejection {
        Rejection { stage: self, reason: reason.into() }
    }
}

impl From<BadHeader> for Rejection {
    fn from(bad: BadHeader) -> Rejection {
        let stage = if matches!(bad, BadHeader::Short(_)) { Stage::Length } else { Stage::Header };
        stage.rejection(bad.to_string())
    }
}
