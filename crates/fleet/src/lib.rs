//! The fleet: many replicas that serve one release, and share the standings.
//!
//! NATS JetStream, the *broker*, carries what is small and must be quick: the release, the standings and the status
//! of the replicas. Web servers, or the broker's object store, carry the snapshots. A replica serves whether or not
//! the broker is there.
//!
//! The crate puts no snapshot into service, and does not know the daemon. It connects, watches, judges, fetches,
//! merges, and publishes releases. The daemon reads the files and applies the standings that come out.
//!
//! * [`bus::Bus`] is the connection: buckets, compare-and-set, and time limits of every call.
//! * [`watch::Watch`] reads a bucket over reconnections, and notices a broker that lost its memory.
//! * [`release::judge`] decides about a manifest, with the waves.
//! * [`fetch::Fetcher`] fetches a snapshot and verifies its digest.
//! * [`publish::Publisher`] uploads snapshots and publishes a release.
//! * [`status::report`] writes the status of a replica. [`status::fleet_status`] reads the status of all.
//! * [`standings::Account`] merges the standing of an account. It is pure: `tests/fleet/merge.rs` runs it in every
//!   order of events within a bound.
//! * [`shared::SharedStandings`] holds the standings of all accounts, and [`shared::exchange`] exchanges them with the
//!   broker.
//!
//! # Example: the wave of a replica
//!
//! ```
//! use switchboard_fleet::release::wave_position;
//!
//! let replicas = ["gateway-eu-1", "gateway-eu-2", "gateway-us-1"];
//! let first_wave: Vec<_> = replicas.iter().filter(|id| wave_position(id, 1764288000000) < 50).collect();
//! assert!(first_wave.len() <= replicas.len());
//! ```

mod backoff;
pub mod bus;
mod credentials;
mod digest;
pub mod fetch;
mod folder;
mod history;
pub mod publish;
pub mod release;
pub mod shared;
pub mod standings;
pub mod status;
pub mod watch;
