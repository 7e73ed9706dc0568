//! Who runs on which cores.

use crate::{
    error::{Error, Result},
    pin,
    report::model::Pinning,
};

/// `auto`, `none`, or as in `daemon:0-1,harness:3`; none where there is one core alone. By itself, a daemon gets a core for
/// each of its workers, as far as there are.
pub(super) fn cores(text: &str, workers: usize) -> Result<Option<Pinning>> {
    plan(text, &pin::usable(), workers)
}

impl Pinning {
    /// Where the daemon ran already: it is not moved.
    pub(super) fn of_harness_alone(self) -> Pinning {
        Pinning { daemon: Vec::new(), ..self }
    }
}

fn plan(text: &str, usable: &[u32], workers: usize) -> Result<Option<Pinning>> {
    match (text, usable) {
        ("none", _) => return Ok(None),
        ("auto", [others @ .., last]) if !others.is_empty() => {
            let daemon = others.iter().take(workers.max(1)).copied().collect();
            return Ok(Some(Pinning { daemon, harness: vec![*last] }));
        }
        ("auto", _) => return Ok(None),
        _ => {}
    }
    let wrong = || {
        let what = "write --pin auto, none, or who runs on which cores, as in daemon:0-1,harness:3";
        Error::Usage(format!("{text}: {what}"))
    };
    let mut pinning = Pinning { daemon: Vec::new(), harness: Vec::new() };
    for part in text.split(',') {
        let (who, range) = part.split_once(':').ok_or_else(wrong)?;
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) =
            (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        let cores = match who {
            "daemon" => &mut pinning.daemon,
            "harness" => &mut pinning.harness,
            _ => return Err(wrong()),
        };
        cores.extend(first..=last.min(first.saturating_add(1_023)));
    }
    if pinning.daemon.is_empty() || pinning.harness.is_empty() {
        return Err(wrong());
    }
    match pinning.daemon.iter().chain(&pinning.harness).find(|core| !usable.contains(core)) {
        Some(core) => Err(Error::Usage(format!("there is no core {core} here: there are {usable:?}"))),
        None => Ok(Some(pinning)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans() {
        let with = |text, usable: &[u32], workers| {
            plan(text, usable, workers).unwrap().map(|p| (p.daemon, p.harness))
        };
        let of = |text, usable: &[u32]| with(text, usable, 1);
        assert_eq!(with("auto", &[0, 1, 2, 3], 2), Some((vec![0, 1], vec![3])));
        assert_eq!(with("auto", &[0, 1, 2], 8), Some((vec![0, 1], vec![2])));
        assert_eq!(of("auto", &[0, 1, 2]), Some((vec![0], vec![2])));
        assert_eq!(of("auto", &[3]), None);
        assert_eq!(of("none", &[0, 1]), None);
        assert_eq!(of("daemon:0-1,harness:3", &[0, 1, 2, 3]), Some((vec![0, 1], vec![3])));
        for text in ["both", "daemon:0", "daemon:0,harness:9", "daemon:x,harness:1", "server:0,harness:1"] {
            assert!(plan(text, &[0, 1], 1).is_err(), "{text}");
        }
    }
}
