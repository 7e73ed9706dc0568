//! What is wrong with an answer.

use std::borrow::Cow;

/// A wrong answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// As the report counts it: `unexpected_status` or `wrong_answer`.
    pub kind: &'static str,
    /// In words.
    pub why: Cow<'static, str>,
}

impl Wrong {
    /// Another status than it must have.
    pub(super) fn status(status: u16, wanted: u16, body: &str) -> Wrong {
        Wrong { kind: "unexpected_status", why: format!("{status}, not {wanted}: {body}").into() }
    }

    /// The status is right, but not what it says.
    pub(super) fn answer(why: impl Into<Cow<'static, str>>) -> Wrong {
        Wrong { kind: "wrong_answer", why: why.into() }
    }

    /// In this line of a batch.
    pub(super) fn at_line(self, line: usize) -> Wrong {
        Wrong { why: format!("line {line}: {}", self.why).into(), ..self }
    }
}
