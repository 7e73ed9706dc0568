//! One query, and what it must be answered.

use super::{
    answer::{Answer, Seen},
    candidates::Candidate,
    kind::Kind,
    published::Published,
    suspensions::Suspensions,
    words::{self, Titles},
    wrong::Wrong,
};
use std::time::Instant;

/// What holds of every answer, whatever was asked.
pub(super) struct Held<'a> {
    pub(super) published: &'a Published,
    pub(super) suspensions: &'a Suspensions,
    pub(super) titles: &'a mut Titles,
    /// When its request was sent, and when it was read.
    pub(super) sent: Instant,
    pub(super) read: Instant,
}

impl Held<'_> {
    /// Holds an account whose standing changes to what was known of it all the while.
    fn in_use(&self, account: Option<&Candidate>) -> Result<(), Wrong> {
        let known = account.and_then(|account| {
            let at = usize::try_from(account.churned?).ok()?;
            Some((account, self.suspensions.known(at, self.sent, self.read)?))
        });
        let Some((account, since)) = known else { return Ok(()) };
        let since = since.as_secs_f64() * 1e3;
        Err(Wrong::answer(format!(
            "account {} is suspended: acknowledged {since:.3} ms before the request was sent, and not lifted before it was \
             answered",
            account.id()
        )))
    }
}

/// What a query may be answered: by each registry that is served in turn, and under each state that standings
/// may be in.
pub(super) struct Ask {
    variants: Box<[Box<[Answer]>]>,
    /// Never to be repeated in a problem.
    phone: Option<Box<str>>,
}

impl Ask {
    pub(super) fn new(variants: Vec<Vec<Answer>>, phone: Option<&str>) -> Ask {
        Ask { variants: variants.into_iter().map(Into::into).collect(), phone: phone.map(Into::into) }
    }

    /// Holds an answer to what it must be. A line of a batch has no status of its own.
    pub(super) fn check(
        &mut self,
        status: Option<u16>,
        body: &[u8],
        held: &mut Held<'_>,
    ) -> Result<(Kind, u64), Wrong> {
        let Some((head, generation)) = split(body) else {
            return Err(self.without_generation(status, body));
        };
        if !held.published.has(generation) {
            return Err(Wrong::answer(format!("generation {generation} was never published")));
        }
        let variant = generation.checked_rem(self.variants.len() as u64).unwrap_or_default();
        let answers = usize::try_from(variant).ok().and_then(|at| self.variants.get_mut(at));
        let Some(answers) = answers else { return Err(Wrong::answer("nothing was foretold")) };
        for answer in &mut *answers {
            if status.is_some_and(|status| status != answer.kind().status()) {
                continue;
            }
            let kind = answer.kind();
            match answer.see(head) {
                Seen::Right => return Ok((kind, generation)),
                Seen::Churned(at) => {
                    if let Answer::Selection(selection) = answer {
                        held.in_use(selection.candidates.get(at))?;
                    }
                    return Ok((kind, generation));
                }
                Seen::First => return self.agree(variant).map(|()| (kind, generation)),
                Seen::Moved(before, now) => return Err(moved(answer, before, now)),
                Seen::Other => {}
            }
        }
        let kind = read(answers, status, (body, head, generation), self.phone.as_deref(), held)?;
        Ok((kind, generation))
    }

    /// Where one registry's account could be selected by the other and the reverse, by the same rule at the same
    /// place, they must be one, or the client has moved for nothing.
    fn agree(&self, variant: u64) -> Result<(), Wrong> {
        let pins = |at: usize| {
            let answers = self.variants.get(at).into_iter().flatten();
            answers.filter_map(|answer| match answer {
                Answer::Selection(selection) => {
                    Some((selection, selection.candidates.get(selection.pinned?)?))
                }
                Answer::Problem(_) => None,
            })
        };
        let variant = usize::try_from(variant).unwrap_or_default();
        for (here, now) in pins(variant) {
            for (there, before) in (0..self.variants.len()).filter(|at| *at != variant).flat_map(pins) {
                let could =
                    here.rest == there.rest && there.candidates.has(now) && here.candidates.has(before);
                if could && now.start() != before.start() {
                    let (before, now) = (before.id(), now.id());
                    return Err(Wrong::answer(format!(
                        "the client has {now}, but had {before} in another generation, and both have both"
                    )));
                }
            }
        }
        Ok(())
    }

    fn without_generation(&self, status: Option<u16>, body: &[u8]) -> Wrong {
        let text = String::from_utf8_lossy(body);
        let wanted = self.variants.iter().flatten().map(|answer| answer.kind().status());
        match status {
            Some(status) if wanted.clone().all(|wanted| wanted != status) => {
                Wrong::status(status, wanted.min().unwrap_or_default(), &text)
            }
            _ => Wrong::answer(format!("no generation at its end: {text}")),
        }
    }
}

/// The slow way: an answer that is not byte for byte what it might be.
fn read(
    answers: &mut [Answer],
    status: Option<u16>,
    (body, head, generation): (&[u8], &[u8], u64),
    phone: Option<&str>,
    held: &mut Held<'_>,
) -> Result<Kind, Wrong> {
    let mut why = None;
    for answer in answers {
        let wanted = answer.kind().status();
        if let Some(status) = status.filter(|status| *status != wanted) {
            why.get_or_insert_with(|| Wrong::status(status, wanted, &String::from_utf8_lossy(body)));
            continue;
        }
        match words::differs(answer, body, generation, phone, held.titles) {
            Some(text) => {
                why.get_or_insert_with(|| Wrong::answer(text));
            }
            None => {
                match answer {
                    Answer::Problem(problem) => problem.known = Some(head.into()),
                    // The same in other bytes, and by none of the fast comparisons: the account is not kept.
                    Answer::Selection(selection) => {
                        held.in_use(words::named(selection, body))?;
                    }
                }
                return Ok(answer.kind());
            }
        }
    }
    Err(why.unwrap_or_else(|| Wrong::answer("nothing was foretold")))
}

fn moved(answer: &Answer, before: u32, now: u32) -> Wrong {
    let Answer::Selection(selection) = answer else { return Wrong::answer("moved") };
    let [before, now] = [before, now].map(|at| selection.candidates.get(at).map_or("", |one| one.id()));
    Wrong::answer(format!("the client has {now}, but had {before} before, which is still there"))
}

/// Up to the generation's digits, and the generation.
fn split(body: &[u8]) -> Option<(&[u8], u64)> {
    let open = body.strip_suffix(b"}")?;
    let digits = open.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (head, digits) = open.split_at_checked(open.len() - digits)?;
    if !head.ends_with(b"\"generation\":") || digits.first() == Some(&b'0') && digits.len() > 1 {
        return None;
    }
    Some((head, str::from_utf8(digits).ok()?.parse().ok()?))
}
