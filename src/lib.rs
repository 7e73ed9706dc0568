//! Switchboard answers one question, per invite, in memory: when a client is invited to a messaging
//! channel, which of the company's official accounts talks to that client?
//!
//! The crate is a house of seven floors; each imports only from those below.
//!
//! * **6** [`app`], [`cli`], [`config`]: assembly, commands, settings. Start at [`cli::run`].
//! * **5** [`http`], [`admin`], [`telemetry`]: the listeners and the metrics.
//! * **4** [`live`]: the snapshot in service, and how another takes its place. [`decisions`]: every decision of a
//!   snapshot at once.
//! * **3** [`select`](mod@select): a query and a snapshot to an account. Pure.
//! * **2** [`snapshot`]: the registry as one immutable run of bytes.
//! * **1** [`registry`]: what administrators write, and what is wrong with it.
//! * **0** [`numbering`], [`account`], [`id`]: the words that all of them share.
//!
//! Reading order: [`select::walk`], which is the specification's section 2 in code; [`snapshot::format`],
//! what it reads; [`snapshot::compile`](mod@snapshot::compile), where that comes from; [`live::publish()`],
//! the one road from files to service. `docs/architecture.md` is the tour.
//!
//! ```
//! use switchboard::runtime::demo_files;
//! use switchboard_pipeline::publish;
//! use switchboard_select::{Moment, NO_STANDINGS, Query, select, write_selection};
//!
//! let (generation, now) = (1, 1_790_000_000);
//! let compiled = publish(&demo_files(), generation, now, &|_, _, _| {}).ok().unwrap();
//! let query = r#"{"company":"acme","channel":"whatsapp","ou":"zurich","phone":"+33612345678"}"#;
//! let query = Query::from_json(query.as_bytes())?;
//! let moment = Moment { now, chance: 0, standings: &NO_STANDINGS };
//! let answer = select(&compiled.snapshot, &query, moment);
//! let mut json = Vec::new();
//! write_selection(&mut json, &compiled.snapshot, &answer.result.unwrap());
//! assert!(json.starts_with(br#"{"account":"wa-dach-ch-1","address":"+41781234501","#));
//! # Ok::<(), switchboard_select::BadQuery>(())
//! ```

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod runtime;
pub mod telemetry;
