//! The snapshots on this machine, from which a release can be made without a transfer, and the work on the disk.

use std::fs;
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use switchboard_fleet::fetch::Fetched;
use switchboard_fleet::release::Reason;
use switchboard_release::Variant;
use switchboard_snapshot::header::{self, Digests};
use switchboard_snapshot::{Header, file};
use tokio::task::spawn_blocking;

use crate::runtime::store::Generation;

pub(super) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A snapshot that was fetched or restamped, and verified by its digest.
pub(super) enum Ready {
    Fetched(Fetched),
    Restamped(PathBuf),
}

/// A failure that is tried again.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) text: String,
}

/// Runs work on the disk on another thread.
pub(super) fn blocking_work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Work<Result<T, Failure>> {
    Box::pin(async move {
        let done = spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(Failure { reason: Reason::Disk, text: error.to_string() }))
    })
}

pub(super) fn disk_failure(path: &Path, error: &io::Error) -> Failure {
    Failure { reason: Reason::Disk, text: format!("{}: {error}: check the disk and --state", path.display()) }
}

/// Snapshots on this machine. One with the content of a release needs no transfer.
pub(super) struct Kept {
    pub(super) in_service: Option<Arc<Generation>>,
    pub(super) paths: [PathBuf; 3],
}

impl Kept {
    /// Writes a kept snapshot with the generation of a release into a file of the folder. Returns its path, or `None`
    /// if no kept snapshot becomes the variant.
    pub(super) async fn restamp(
        self,
        variant: Variant,
        generation: u64,
        folder: PathBuf,
    ) -> Result<Option<PathBuf>, Failure> {
        blocking_work(move || {
            let to = folder.join(format!("restamp-{}.swb", variant.digest));
            let failed = |error: &io::Error| disk_failure(&to, error);
            fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
            let write = |bytes: &[u8]| match restamped(bytes, generation, &variant.digest) {
                None => Ok(false),
                Some((head, body)) => file::write_with(&to, |file| {
                    file.write_all(&head)?;
                    file.write_all(body)
                })
                .map(|()| true)
                .map_err(|error| failed(&error.into())),
            };
            if let Some(in_service) = &self.in_service
                && write(in_service.snapshot.bytes())?
            {
                return Ok(Some(to));
            }
            for path in &self.paths {
                let has_size = fs::metadata(path).is_ok_and(|metadata| metadata.len() == variant.size);
                let Some(bytes) = has_size.then(|| file::read(path).ok()).flatten() else { continue };
                if Digests::of(&bytes).content.to_string() == variant.content && write(&bytes)? {
                    return Ok(Some(to));
                }
            }
            Ok(None)
        })
        .await
    }
}

/// Returns the header with another generation and the bytes behind the header, if both have this SHA-256.
fn restamped<'b>(bytes: &'b [u8], generation: u64, digest: &str) -> Option<([u8; header::LEN], &'b [u8])> {
    let body = bytes.get(header::LEN..)?;
    let head = Header { generation, ..Header::read(bytes).ok()? }.seal(body);
    let sha256 = Sha256::new().chain_update(head).chain_update(body).finalize();
    let found: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    (found == digest).then_some((head, body))
}
