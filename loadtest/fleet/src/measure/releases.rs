//! How quickly a release is in service on every replica.
//!
//! The time begins at the broker's time of the value `current`. It ends at the time of the line that each daemon logs
//! after it published the snapshot to its workers.

use std::time::Duration;

use generator::Result;
use tokio::time::sleep;

use super::{Extent, millis};
use crate::bed::Bed;
use crate::report::Figure;

/// The number of accounts from which the limits are those of the million.
const MILLION: usize = 1_000_000;
/// The pause between two releases, in which the replicas report.
const PAUSE: Duration = Duration::from_secs(1);

/// Publishes releases, and measures each until the last daemon serves it.
///
/// # Errors
/// Returns an error if a release is not in service everywhere within two minutes.
pub async fn publish(bed: &mut Bed, extent: Extent) -> Result<Vec<Figure>> {
    let mut seconds = Vec::new();
    for _ in 0..extent.rounds {
        bed.expect_release();
        bed.publish()?;
        seconds.push(in_service(bed).await?);
    }
    let (floor, aim) = if bed.settings.accounts >= MILLION { (5.0, 2.5) } else { (3.0, 1.0) };
    let figure = Figure::new("write of current → in service everywhere", "s", seconds);
    Ok(vec![figure.at_most(floor * extent.limits, aim)])
}

/// Rolls back, and measures each time until the last daemon serves the earlier content.
///
/// # Errors
/// Returns an error if a release is not in service everywhere within two minutes.
pub async fn roll_back(bed: &mut Bed, extent: Extent) -> Result<Vec<Figure>> {
    let mut seconds = Vec::new();
    for _ in 0..extent.rounds {
        bed.expect_release();
        bed.roll_back()?;
        seconds.push(in_service(bed).await?);
    }
    let figure = Figure::new("rollback: write of current → in service everywhere", "s", seconds);
    Ok(vec![figure.at_most(5.0 * extent.limits, 1.0)])
}

/// Returns the seconds from the write of `current` until the last replica serves it.
async fn in_service(bed: &Bed) -> Result<f64> {
    let times = bed.wait("serve a release").await?;
    let (written, generation) = bed.released().await?;
    bed.check_generation(generation).await?;
    let last = times.values().flatten().max().copied().unwrap_or(written);
    sleep(PAUSE).await;
    Ok(millis(written, last) / 1e3)
}
