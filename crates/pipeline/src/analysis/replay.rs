//! Recorded queries, asked of two snapshots: what changes in proportion to what is really asked.
//!
//! A query may hold a phone number, so nothing of it is kept but the number of its line.

use std::collections::BTreeMap;

use switchboard_select::{Answer, Moment, Overlay, Query, select, write_selection};
use switchboard_snapshot::Snapshot;

/// What becomes of a recorded query that is answered otherwise; what is worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// There was an answer, and is none.
    BecomesError,
    /// There was none, and is none for another reason.
    OtherError,
    /// There was none, and is one.
    Answered,
    /// Another account answers.
    OtherAccount,
    /// The same account answers, and something else is said of it: its rule, its pool, its address.
    SameAccount,
}

impl Fate {
    /// Every fate, in order.
    pub const ALL: [Fate; 5] =
        [Fate::BecomesError, Fate::OtherError, Fate::Answered, Fate::OtherAccount, Fate::SameAccount];

    /// For programs.
    pub const fn text(self) -> &'static str {
        match self {
            Fate::BecomesError => "becomes_error",
            Fate::OtherError => "other_error",
            Fate::Answered => "answered",
            Fate::OtherAccount => "other_account",
            Fate::SameAccount => "same_account",
        }
    }
}

/// From which rule, or code, to which.
pub type Transition = (Fate, &'static str, &'static str);

/// Two snapshots that are asked the same at the same time.
pub struct Replay<'s> {
    sides: [(&'s Snapshot, Overlay); 2],
    now: i64,
    /// Queries that were asked.
    pub asked: usize,
    /// What became of those that are answered otherwise: the numbers of their lines, from 1.
    pub transitions: BTreeMap<Transition, Vec<usize>>,
    /// Lines that are no query, and why.
    pub bad: Vec<(usize, String)>,
}

impl<'s> Replay<'s> {
    /// Of two snapshots as of `now`, Unix seconds.
    pub fn new(old: &'s Snapshot, new: &'s Snapshot, now: i64) -> Replay<'s> {
        let side = |snapshot: &'s Snapshot| (snapshot, Overlay::of(snapshot.free_accounts()));
        Replay { sides: [side(old), side(new)], now, asked: 0, transitions: BTreeMap::new(), bad: Vec::new() }
    }

    /// Asks both what a line asks. A blank one asks nothing.
    pub fn ask(&mut self, line: usize, text: &[u8]) {
        let text = if line == 1 { text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text) } else { text };
        if text.trim_ascii().is_empty() {
            return;
        }
        let query = match Query::from_json(text) {
            Ok(query) => query,
            // Messages of these repeat no value. Where in the file the line is, is told beside them.
            Err(bad) => {
                return self.bad.push((line, bad.to_string().replace(": line 1, column", ", column")));
            }
        };
        self.asked += 1;
        // Spread over the equals, and the same on both sides: what names no client must not seem to change.
        let chance = (line as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [old, new] = self.sides.each_ref().map(|(snapshot, standings)| {
            select(snapshot, &query, Moment { now: self.now, chance, standings })
        });
        if let Some(fate) = self.fate(&old, &new) {
            self.transitions.entry((fate, outcome(&old), outcome(&new))).or_default().push(line);
        }
    }

    /// How many of the queries come to this.
    pub fn count(&self, fate: Fate) -> usize {
        let of = self.transitions.iter().filter(|((one, ..), _)| *one == fate);
        of.map(|(_, lines)| lines.len()).sum()
    }

    /// How many are answered as before.
    pub fn same(&self) -> usize {
        self.asked - self.transitions.values().map(Vec::len).sum::<usize>()
    }

    fn fate(&self, old: &Answer, new: &Answer) -> Option<Fate> {
        match (&old.result, &new.result) {
            (Ok(_), Err(_)) => Some(Fate::BecomesError),
            (Err(_), Ok(_)) => Some(Fate::Answered),
            (Err(old), Err(new)) => (old != new).then_some(Fate::OtherError),
            (Ok(_), Ok(_)) => {
                let [(before, _), (now, _)] = &self.sides;
                let (before, now) = (said(before, old), said(now, new));
                match before.account == now.account {
                    false => Some(Fate::OtherAccount),
                    true => (before.text != now.text).then_some(Fate::SameAccount),
                }
            }
        }
    }
}

/// What is answered, without the generation.
struct Said<'s> {
    account: &'s str,
    text: Vec<u8>,
}

fn said<'s>(snapshot: &'s Snapshot, answer: &Answer) -> Said<'s> {
    let mut said = Said { account: "", text: Vec::new() };
    if let Ok(selection) = &answer.result {
        said.account = snapshot.account(selection.account).id();
        write_selection(&mut said.text, snapshot, selection);
        // It is the last field.
        let generation = format!(",\"generation\":{}}}", snapshot.generation());
        said.text.truncate(said.text.len().saturating_sub(generation.len()));
    }
    said
}

fn outcome(answer: &Answer) -> &'static str {
    match &answer.result {
        Ok(selection) => selection.rule.text(),
        Err(code) => code.text(),
    }
}
