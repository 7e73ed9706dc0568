//! An answer held to what it must be: to the query, and to the connection and the time it came on.

use super::{
    Traffic,
    ask::{Ask, Held},
    outcomes::Outcomes,
    wrong::Wrong,
};
use crate::engine::{Media, Received};

impl Traffic {
    /// Holds an answer to what it must be, and counts its outcomes.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(
        &mut self,
        request: usize,
        answer: &Received<'_>,
        outcomes: &mut Outcomes,
    ) -> Result<(), Wrong> {
        let &Received { status, media, body, .. } = answer;
        let Traffic { asks, requests, lines, published, suspensions, titles, generations, .. } = self;
        let wanted = requests.get(request).map_or(&[][..], |request| &request.asks);
        let mut held = Held { published, suspensions, titles, sent: answer.sent, read: answer.read };
        if let ([ask], 1) = (wanted, *lines) {
            let ask = found(asks, *ask)?;
            let (kind, generation) = ask.check(Some(status), body, &mut held)?;
            is(media, if status == 200 { Media::Json } else { Media::Problem })?;
            generations.forward(answer.place, generation)?;
            outcomes.count(kind.text());
            return Ok(());
        }
        if status != 200 {
            return Err(Wrong::status(status, 200, &String::from_utf8_lossy(body)));
        }
        is(media, Media::Lines)?;
        let (mut rest, mut whole) = (body, None);
        for (n, ask) in (1..).zip(wanted) {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                return Err(Wrong::answer(format!("{} lines, not {}", n - 1, wanted.len())));
            };
            let (line, after) = rest.split_at_checked(end).unwrap_or_default();
            rest = after.get(1..).unwrap_or_default();
            let one = found(asks, *ask)?.check(None, line, &mut held);
            let (kind, generation) = one.map_err(|wrong| wrong.at_line(n))?;
            match whole.replace(generation) {
                None => generations.forward(answer.place, generation)?,
                Some(before) if before == generation => {}
                Some(before) => {
                    let why = format!("of generation {generation}, and the line before of {before}");
                    return Err(Wrong::answer(why).at_line(n));
                }
            }
            outcomes.count(kind.text());
        }
        if !rest.is_empty() {
            return Err(Wrong::answer(format!("more than {} lines", wanted.len())));
        }
        Ok(())
    }
}

fn found(asks: &mut [Ask], at: u32) -> Result<&mut Ask, Wrong> {
    asks.get_mut(at as usize).ok_or_else(|| Wrong::answer("nothing was asked"))
}

fn is(media: Media, due: Media) -> Result<(), Wrong> {
    if media == due {
        return Ok(());
    }
    Err(Wrong::answer(format!("its content-type is {}, not {}", media.text(), due.text())))
}

/// The last generation that answered on each connection: the next answer is of that one, or of a later one.
#[derive(Debug, Default)]
pub(super) struct Generations(Vec<(u64, u64)>);

impl Generations {
    fn forward(&mut self, (place, replaced): (usize, u64), generation: u64) -> Result<(), Wrong> {
        if self.0.len() <= place {
            self.0.resize(place + 1, (replaced, generation));
        }
        let Some(last) = self.0.get_mut(place) else { return Ok(()) };
        let before = std::mem::replace(last, (replaced, generation));
        if before.0 == replaced && before.1 > generation {
            let why = format!("of generation {generation}, on a connection that had answers of {}", before.1);
            return Err(Wrong::answer(why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_go_forward_on_each_connection() {
        let mut generations = Generations::default();
        let mut goes =
            |place, replaced, generation| generations.forward((place, replaced), generation).is_ok();
        assert!(goes(1, 0, 4) && goes(1, 0, 4) && goes(1, 0, 6));
        assert!(!goes(1, 0, 4), "back");
        assert!(goes(0, 0, 4) && goes(2, 0, 2), "of others");
        assert!(goes(0, 0, 6) && goes(0, 1, 4), "another socket in its place");
        assert!(!goes(0, 1, 2));
    }
}
