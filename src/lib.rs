//! Switchboard answers one question, per invite, in memory: when a client is invited to a messaging
//! channel, which of the company's official accounts talks to that client?
//!
//! This crate is the daemon and its command line. The layers below it are crates of their own: the model, the
//! registry, the snapshot, the selection, the pipeline from files to a snapshot, and an HTTP/1.1 server. Each
//! module imports only from those that come after it:
//!
//! * [`cli`]: the commands. Start at [`cli::run`].
//! * [`app`]: the assembly of the daemon: bind, start, drain.
//! * [`config`]: the settings.
//! * [`api`]: the routes of the data and the admin listener.
//! * [`runtime`]: the snapshot in service, what replaces it, and live standings.
//! * [`telemetry`]: the metrics.
//!
//! `docs/architecture.md` describes the layers, and follows a snapshot, a query and a standing through them.
//!
//! ```
//! use switchboard::runtime::demo_files;
//! use switchboard_model::UnixSeconds;
//! use switchboard_pipeline::build_snapshot;
//! use switchboard_select::{NO_STANDINGS, Query, SelectContext, select, write_selection};
//! use switchboard_snapshot::NoProgress;
//!
//! let (generation, now) = (1, UnixSeconds(1_790_000_000));
//! let built = build_snapshot(&demo_files(), generation, now, &NoProgress).ok().unwrap();
//! let query = r#"{"company":"acme","channel":"whatsapp","ou":"zurich","phone":"+33612345678"}"#;
//! let query = Query::from_json(query.as_bytes())?;
//! let context = SelectContext { now, random: 0, standings: &NO_STANDINGS };
//! let answer = select(&built.snapshot, &query, context);
//! let mut json = Vec::new();
//! write_selection(&mut json, &built.snapshot, &answer.result.unwrap());
//! assert!(json.starts_with(br#"{"account":"wa-dach-ch-1","address":"+41781234501","#));
//! # Ok::<(), switchboard_select::BadQuery>(())
//! ```

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod runtime;
pub mod telemetry;
