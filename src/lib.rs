//! Switchboard answers one question in memory: when a client is invited to a messaging channel, which
//! official account of the company talks to this client?
//!
//! This crate is the daemon and its command line. The layers below are separate crates: model, registry,
//! snapshot, selection, pipeline (from files to a snapshot) and an HTTP/1.1 server.
//!
//! # Modules
//!
//! Each module imports only from the modules that follow it:
//!
//! * [`cli`]: the commands. Start reading at [`cli::main`].
//! * [`app`]: the assembly of the daemon: bind, start, drain.
//! * [`config`]: the settings.
//! * [`api`]: the routes of the data listener and the admin listener.
//! * `console`: the page of the admin listener.
//! * [`access`]: who may call: principals and tokens; the audit log.
//! * [`runtime`]: the snapshot in service, the reloads that replace it, and the standings.
//! * [`telemetry`]: the metrics.
//!
//! `docs/architecture.md` describes the layers and follows a snapshot, a query and a standing through them.
//!
//! # Example
//!
//! Compiles the demo registry and answers one query without a daemon:
//!
//! ```
//! use switchboard_model::UnixSeconds;
//! use switchboard_pipeline::{BuildMode, build_snapshot, demo_files};
//! use switchboard_select::{NO_STANDINGS, Query, SelectContext, select, write_selection};
//! use switchboard_snapshot::NoProgress;
//!
//! let (generation, now) = (1, UnixSeconds(1_790_000_000));
//! let built = build_snapshot(&demo_files(), generation, now, BuildMode::Strict, &NoProgress).ok().unwrap();
//! let query = r#"{"company":"acme","channel":"whatsapp","ou":"zurich","phone":"+33612345678"}"#;
//! let query = Query::from_json(query.as_bytes())?;
//! let context = SelectContext { now, random: 0, standings: &NO_STANDINGS };
//! let answer = select(&built.snapshot, &query, context);
//! let mut json = Vec::new();
//! write_selection(&mut json, &built.snapshot, &answer.result.unwrap());
//! assert!(json.starts_with(br#"{"account":"wa-dach-ch-1","address":"+41781234501","#));
//! # Ok::<(), switchboard_select::BadQuery>(())
//! ```

pub mod access;
pub mod api;
pub mod app;
pub mod cli;
pub mod config;
mod console;
pub mod runtime;
pub mod telemetry;
