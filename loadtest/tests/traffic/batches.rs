//! Batches, line by line.

use super::{NOW, demo, mixed, stand_in::StandIn, traffic};
use loadtest::traffic::{Mix, Outcomes};

#[test]
fn every_line_is_looked_at() {
    const LINES: u32 = 50;
    let mut traffic = traffic(&Mix { batch: Some(LINES), ..mixed(1_000) }, &demo());
    assert_eq!((traffic.lines(), traffic.len()), (LINES, 20));
    let switchboard = StandIn::serving(&demo(), 1, NOW);
    let mut outcomes = Outcomes::default();
    for request in 0..traffic.len() {
        let (status, body) = switchboard.answer(traffic.bytes(request));
        traffic.check(request, status, &body, &mut outcomes).unwrap();
        let text = String::from_utf8(body).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for n in [0, 7, 49] {
            let mut wrong = lines.clone();
            let other = lines[n].replace("\"generation\":1", "\"generation\":2");
            wrong[n] = &other;
            let body = wrong.join("\n") + "\n";
            let wrong = traffic.check(request, 200, body.as_bytes(), &mut Outcomes::default()).unwrap_err();
            assert!(wrong.why.starts_with(&format!("line {}: ", n + 1)), "{}", wrong.why);
        }
        let mut refuse = |body: &str, why: &str| {
            let wrong = traffic.check(request, 200, body.as_bytes(), &mut Outcomes::default()).unwrap_err();
            assert!(wrong.why.contains(why), "{}", wrong.why);
        };
        refuse(&(lines[..49].join("\n") + "\n"), "49 lines, not 50");
        refuse(&(text.clone() + lines[0] + "\n"), "more than 50 lines");
        refuse(&lines.join("\n"), "49 lines, not 50");
        let turned: Vec<&str> = lines.iter().rev().copied().collect();
        if lines[0] != lines[49] {
            refuse(&(turned.join("\n") + "\n"), "line ");
        }
        assert!(traffic.check(request, 400, text.as_bytes(), &mut Outcomes::default()).is_err());
    }
    assert_eq!(outcomes.counts().map(|(_, count)| count).sum::<u64>(), 1_000);
}
