//! The snapshots of releases: writes them to the store of the broker or to a folder, and removes those that no release
//! names.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::jetstream::object_store::ObjectInfo;
use async_nats::jetstream::stream::Stream as JetStream;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::value::RawValue;
use switchboard_release::Variant;
use tokio::time::timeout;

use super::{PublishError, Publisher, Store, now_millis};
use crate::bus::{Bucket, BusError, CALL_TIMEOUT};
use crate::fetch::FetchError;
use crate::folder::Folder;
use crate::release::{Current, Encoding, Source, is_digest};

/// The age from which a snapshot that no release names is removed.
pub const REMOVAL_AGE: Duration = Duration::from_secs(60 * 60);
/// The level of zstd. A higher one takes many times as long for a few percent.
const ZSTD_LEVEL: i32 = 3;
/// A snapshot in the store that is younger is used as it is. An older one is uploaded again, because another
/// publisher may be about to remove it.
const REUSE_AGE: Duration = Duration::from_secs(30 * 60);

impl Publisher {
    /// Uploads a snapshot and reads it back into `folder`, which is for temporary files. A snapshot that is there
    /// already is not uploaded again. Compresses where the result is smaller.
    ///
    /// # Errors
    /// Returns an error if the snapshot cannot be written, or cannot be read back. A release must not name it then.
    pub async fn upload(
        &self,
        snapshot: &Bytes,
        variant: &Variant,
        folder: &Path,
    ) -> Result<Source, PublishError> {
        let there = self.find(variant).await?;
        if let Some(source) = there
            && self.read_back(&source, variant, folder).await.is_ok()
        {
            return Ok(source);
        }
        let original = snapshot.clone();
        let packed = tokio::task::spawn_blocking(move || zstd::bulk::compress(&original, ZSTD_LEVEL)).await;
        let packed = packed.map_err(io::Error::other).and_then(|packed| packed);
        let packed =
            packed.map_err(|error| PublishError::System(format!("cannot compress the snapshot: {error}")))?;
        let (encoding, bytes) = if packed.len() < snapshot.len() {
            (Encoding::Zstd, Bytes::from(packed))
        } else {
            (Encoding::Identity, snapshot.clone())
        };
        let name = file_name(&variant.digest, encoding);
        match &self.store {
            Store::Broker => self.put_object(&name, &bytes).await?,
            Store::Folder { folder: path, .. } => {
                let (folder, path) = (self.folder(path).await?, path.join(&name));
                let (name, bytes) = (name.clone(), bytes.clone());
                let write = move || {
                    let written = folder.write(&name, &bytes);
                    written.map_err(|error| PublishError::Write { path, error: error.to_string() })
                };
                let written = tokio::task::spawn_blocking(write).await;
                written.map_err(|error| PublishError::System(error.to_string()))??;
            }
        }
        let source = self.source(&variant.digest, encoding, bytes.len() as u64);
        match self.read_back(&source, variant, folder).await {
            Ok(()) => Ok(source),
            Err(error) => {
                let url = source.urls.first().cloned().unwrap_or_default();
                Err(PublishError::NotReadable { url, error })
            }
        }
    }

    /// Returns the sources of a release, from which a snapshot can be read. Uploads the snapshot if it is gone or damaged
    /// in the store of this publisher, or if that is another folder than the place that the release names.
    ///
    /// # Errors
    /// Returns an error as [`Publisher::upload`] does. A web server whose folder is not known cannot be repaired.
    pub async fn resupply(
        &self,
        release: &Current,
        snapshot: &Bytes,
        variant: &Variant,
        folder: &Path,
    ) -> Result<Vec<Source>, PublishError> {
        let is_on_web =
            release.sources_of(variant).flat_map(|it| &it.urls).any(|url| !url.starts_with("nats:"));
        // The broker is the store of a publisher without a folder. It does not replace a web server.
        let has_no_folder = is_on_web && self.store == Store::Broker;
        for source in release.sources_of(variant) {
            let own = self.source(&source.digest, source.encoding, source.size);
            if own != *source && !has_no_folder {
                continue;
            }
            match self.read_back(source, variant, folder).await {
                Ok(()) => return Ok(release.sources.clone()),
                Err(error) if has_no_folder => {
                    return Err(PublishError::System(format!(
                        "the snapshot of the release cannot be read: {error}: repair the web server, or name its folder \
                         with --blobs and --url"
                    )));
                }
                Err(_) => {}
            }
        }
        let others = release.sources.iter().filter(|source| source.digest != variant.digest).cloned();
        let uploaded = self.upload(snapshot, variant, folder).await?;
        Ok([uploaded].into_iter().chain(others).collect())
    }

    /// Returns the source of a snapshot that was uploaded a short time ago.
    async fn find(&self, variant: &Variant) -> Result<Option<Source>, PublishError> {
        for encoding in [Encoding::Zstd, Encoding::Identity] {
            let name = file_name(&variant.digest, encoding);
            let size = match &self.store {
                Store::Broker => {
                    let store = self.bus.snapshots().await?;
                    let info = limited("look for a snapshot", store.info(&*name)).await?.ok();
                    let info = info.filter(|info| !info.deleted && is_recent(info));
                    info.and_then(|info| u64::try_from(info.size).ok())
                }
                Store::Folder { folder: path, .. } => {
                    let folder = self.folder(path).await?;
                    let found = folder.find(&name, REUSE_AGE);
                    if found.is_some() {
                        // Another fleet may have written the file.
                        let added = folder.add(&name);
                        added.map_err(|error| PublishError::Write {
                            path: path.join(&name),
                            error: error.to_string(),
                        })?;
                    }
                    found
                }
            };
            if let Some(size) = size {
                return Ok(Some(self.source(&variant.digest, encoding, size)));
            }
        }
        Ok(None)
    }

    /// Returns the folder, with the list of this fleet.
    async fn folder(&self, path: &Path) -> Result<Folder, BusError> {
        let (memory, _) = self.bus.memory(Bucket::Release).await?;
        Ok(Folder::new(path, &memory.epoch))
    }

    fn source(&self, digest: &str, encoding: Encoding, size: u64) -> Source {
        let name = file_name(digest, encoding);
        let url = match &self.store {
            Store::Broker => format!("nats:{name}"),
            Store::Folder { url, .. } => format!("{}/{name}", url.trim_end_matches('/')),
        };
        Source { digest: digest.to_owned(), encoding, size, urls: vec![url] }
    }

    async fn put_object(&self, name: &str, bytes: &Bytes) -> Result<(), PublishError> {
        let store = self.bus.snapshots().await?;
        let mut reader = &**bytes;
        // Each block has its own time limit.
        let put = store.put(name, &mut reader).await;
        put.map(drop).map_err(|error| PublishError::Write {
            path: PathBuf::from(format!("nats:{name}")),
            error: format!("{error}; check the disk of the broker, and the permissions of the publisher"),
        })
    }

    async fn read_back(&self, source: &Source, variant: &Variant, folder: &Path) -> Result<(), FetchError> {
        let current = Current { manifest: RawValue::NULL.to_owned(), sources: vec![source.clone()] };
        self.fetch(&current, variant, folder).await.map(drop)
    }

    /// Removes the snapshots that no release of the history names, and what killed publishers left, if they are
    /// older than `age`. Returns the number of snapshots.
    ///
    /// # Errors
    /// Returns an error if the broker does not answer, or if the folder cannot be read.
    pub async fn sweep(&self, age: Duration) -> Result<usize, PublishError> {
        let history = self.history().await?;
        let Some(newest) = history.iter().map(|release| release.time_millis).max() else { return Ok(0) };
        let urls =
            history.iter().flat_map(|release| &release.current.sources).flat_map(|source| &source.urls);
        let named: HashSet<&str> = urls.filter_map(|url| url.rsplit(['/', ':']).next()).collect();
        match &self.store {
            Store::Broker => self.sweep_objects(&named, newest, age).await,
            Store::Folder { folder, .. } => {
                let swept = self.folder(folder).await?.sweep(&named, age, is_file_name);
                swept.map_err(|error| PublishError::Write { path: folder.clone(), error: error.to_string() })
            }
        }
    }

    async fn sweep_objects(
        &self,
        named: &HashSet<&str>,
        newest: i64,
        age: Duration,
    ) -> Result<usize, PublishError> {
        const CALL: &str = "list the snapshots";
        let stream = self.bus.snapshot_stream().await?;
        let name = self.bus.object_store_name();
        let subjects = async |kind: &str| {
            let filter = format!("$O.{name}.{kind}.>");
            let info = limited(CALL, stream.info_with_subjects(&filter)).await?;
            let mut info = info.map_err(|error| refused(CALL, &error))?;
            let mut subjects = Vec::new();
            while let Some(subject) = limited(CALL, info.next()).await? {
                subjects.push(subject.map_err(|error| refused(CALL, &error))?.0);
            }
            Ok::<_, BusError>(subjects)
        };
        let is_old = |time: i128| {
            let millis = i64::try_from(time / 1_000_000).unwrap_or(i64::MAX);
            i64::try_from(age.as_millis()).is_ok_and(|age| millis.saturating_add(age) <= newest)
        };
        // Blocks first: an object that is completed meanwhile is then among the objects.
        let blocks = subjects("C").await?;
        let (mut used, mut removed) = (HashSet::new(), 0);
        for subject in subjects("M").await? {
            let Some(message) = last_of(&stream, &subject).await? else { continue };
            let Ok(info) = serde_json::from_slice::<ObjectInfo>(&message.payload) else { continue };
            let is_named = named.contains(&*info.name) || !is_file_name(&info.name);
            if is_named || !is_old(message.time.unix_timestamp_nanos()) {
                used.insert(format!("$O.{name}.C.{}", info.nuid));
                continue;
            }
            purge(&stream, &subject).await?;
            removed += 1;
        }
        for subject in blocks.into_iter().filter(|subject| !used.contains(subject)) {
            let last = last_of(&stream, &subject).await?;
            if last.is_some_and(|message| is_old(message.time.unix_timestamp_nanos())) {
                purge(&stream, &subject).await?;
            }
        }
        Ok(removed)
    }
}

/// Returns the name of a snapshot in the store: its digest, and its encoding.
fn file_name(digest: &str, encoding: Encoding) -> String {
    match encoding {
        Encoding::Zstd => format!("{digest}.swb.zst"),
        Encoding::Identity => format!("{digest}.swb"),
    }
}

fn is_file_name(name: &str) -> bool {
    let digest = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".swb");
    digest.is_some_and(is_digest)
}

fn is_recent(info: &ObjectInfo) -> bool {
    let modified = info.modified.map(|time| time.unix_timestamp_nanos() / 1_000_000);
    let age = modified.map(|modified| i128::from(now_millis().0) - modified);
    age.is_some_and(|age| age.unsigned_abs() < REUSE_AGE.as_millis())
}

async fn last_of(
    stream: &JetStream,
    subject: &str,
) -> Result<Option<async_nats::jetstream::message::StreamMessage>, BusError> {
    const CALL: &str = "look at a snapshot";
    use async_nats::jetstream::stream::LastRawMessageErrorKind::NoMessageFound;
    match limited(CALL, stream.get_last_raw_message_by_subject(subject)).await? {
        Ok(message) => Ok(Some(message)),
        Err(error) if matches!(error.kind(), NoMessageFound) => Ok(None),
        Err(error) => Err(refused(CALL, &error)),
    }
}

async fn purge(stream: &JetStream, subject: &str) -> Result<(), BusError> {
    const CALL: &str = "remove a snapshot";
    let purged = limited(CALL, stream.purge().filter(subject).into_future()).await?;
    purged.map(drop).map_err(|error| refused(CALL, &error))
}

async fn limited<T>(call: &'static str, work: impl Future<Output = T>) -> Result<T, BusError> {
    let limit = CALL_TIMEOUT;
    timeout(limit, work).await.map_err(|_| BusError::TimedOut { call, limit, refusal: None })
}

fn refused(call: &'static str, error: &dyn std::fmt::Display) -> BusError {
    BusError::Refused { call, reason: error.to_string() }
}
