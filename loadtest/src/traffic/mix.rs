//! What is asked, and how often: the `[mix]` table of a scenario.

use serde::Deserialize;

/// Which requests, in which shares. Shares are per cent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// How many distinct requests are prepared.
    pub distinct: usize,
    /// Lines of a batch; absent: single selections.
    pub batch: Option<u32>,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix { distinct: 20_000, batch: None }
    }
}
