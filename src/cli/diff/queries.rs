//! A file of recorded queries, line by line: it may be larger than memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::cli::CommandError;
use switchboard_pipeline::analysis::replay::Replay;
use switchboard_select::query::LARGEST_JSON;

/// Asks every line.
pub(super) fn ask_all(path: &Path, replay: &mut Replay<'_>) -> Result<(), CommandError> {
    let asked = File::open(path)
        .and_then(|file| each_line(BufReader::new(file), |line, text| replay.ask(line, text)));
    asked.map_err(|error| {
        CommandError::io(format!("{}: {error}; expected a file of one JSON object a line", path.display()))
    })
}

/// Lines with their numbers, without their ends. Of one that is too long for a query, as much as shows that.
fn each_line(mut file: impl BufRead, mut ask: impl FnMut(usize, &[u8])) -> io::Result<()> {
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let most = LARGEST_JSON as u64 + 2;
        if (&mut file).take(most).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() as u64 == most {
            file.skip_until(b'\n')?;
        }
        ask(line, &text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_length_have_their_numbers() {
        let mut lines = Vec::new();
        let long = "x".repeat(3 * LARGEST_JSON);
        let exact = "y".repeat(LARGEST_JSON);
        let file = format!("a\n\n{long}\n{exact}\nb\r\nc");
        each_line(file.as_bytes(), |line, text| lines.push((line, text.len(), text.first().copied())))
            .unwrap();
        let some = [(1, 1, Some(b'a')), (2, 0, None), (3, LARGEST_JSON + 2, Some(b'x'))];
        assert_eq!(lines[..3], some);
        assert_eq!(lines[3..], [(4, LARGEST_JSON, Some(b'y')), (5, 2, Some(b'b')), (6, 1, Some(b'c'))]);
    }
}
