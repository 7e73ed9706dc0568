//! What is asked, drawn from a registry and a seed, and what each answer must say.
//!
//! [`Traffic::draw`] prepares requests as bytes and has each one's answer ready, from the oracle; the sender
//! asks for [`Traffic::next`], sends [`Traffic::bytes`], and hands each answer to [`Traffic::check`].
//!
//! Reading order: `mix` (what is wanted), `targets` and `aim` (queries that may come to it), `worlds` (what the
//! oracle says they come to), `draw`, `request` (bytes), `order`; then `ask` and `answer` (the check of an answer),
//! `words` (what is wrong with one), `judge` (what holds of a connection, and of the time). `churn` chooses the accounts whose standings may change.

mod aim;
mod answer;
mod ask;
mod candidates;
mod churn;
mod draw;
mod judge;
mod kind;
mod mix;
mod order;
mod outcomes;
mod published;
mod request;
mod share;
mod suspensions;
mod targets;
mod words;
mod worlds;
mod wrong;

pub use self::{
    churn::churnable, kind::Kind, mix::Mix, outcomes::Outcomes, published::Published,
    suspensions::Suspensions, wrong::Wrong,
};

use self::{
    ask::Ask,
    draw::{Drawn, Request},
    judge::Generations,
    order::Order,
    words::Titles,
};
use crate::error::Result;
use std::path::Path;

/// What requests are drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The registry's folder. Where several are served in turn, generation `n` is the one at `n` modulo their
    /// number: of two, the even generations are the first's.
    pub registries: &'a [&'a Path],
    /// Accounts (company, id) whose live standings change during the run, from [`churnable`].
    pub churned: &'a [(String, String)],
    /// The same seed draws the same requests.
    pub seed: u64,
    /// Unix seconds. Requests whose answer changes by itself from an hour before to a day after, as numbers come to
    /// the end of their rest, are not asked.
    pub now: i64,
}

/// Requests ready to be sent, the order they are sent in, and what they must be answered.
pub struct Traffic {
    asks: Vec<Ask>,
    requests: Vec<Request>,
    order: Order,
    lines: u32,
    published: Published,
    suspensions: Suspensions,
    titles: Titles,
    generations: Generations,
    sample: [String; 2],
    notes: Vec<String>,
}

impl Traffic {
    /// Draws requests by the mix. Answers may be of the generations that are published, at the time they come.
    ///
    /// # Errors
    /// A mix out of bounds, a folder that cannot be read, a registry with errors or with nothing to ask for.
    pub fn draw(mix: &Mix, ground: &Ground<'_>, published: Published) -> Result<Traffic> {
        let Drawn { asks, requests, order, sample, notes } = draw::draw(mix, ground)?;
        let lines = mix.batch.unwrap_or(1);
        let suspensions = Suspensions::new(ground.churned.len());
        let (titles, generations) = (Titles::new(), Generations::default());
        Ok(Traffic {
            asks,
            requests,
            order,
            lines,
            published,
            suspensions,
            titles,
            generations,
            sample,
            notes,
        })
    }

    /// The request to send now, by number.
    #[allow(
        clippy::should_implement_trait,
        reason = "it has no end, and what it returns is no item but a number"
    )]
    pub fn next(&mut self) -> usize {
        self.order.next()
    }

    /// How many distinct requests there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is none: never.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// A whole request, head and body.
    pub fn bytes(&self, request: usize) -> &[u8] {
        self.requests.get(request).map_or(&[], |request| &request.bytes)
    }

    /// Selections in each request: 1, or the lines of a batch.
    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// One of the queries, as a URL and as JSON.
    pub(crate) fn sample(&self) -> [&str; 2] {
        self.sample.each_ref().map(String::as_str)
    }

    /// What the registry did not let be drawn as asked, for the report.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The generations that may answer.
    pub fn published(&self) -> &Published {
        &self.published
    }

    /// Which of the churned accounts are suspended: to be told by whoever suspends them.
    pub fn suspensions(&self) -> &Suspensions {
        &self.suspensions
    }
}
