//! Where the cells of a CSV row stand.

use std::ops::Range;

use csv_core::{ReadFieldResult, Reader};

/// The bytes of each cell of the row that begins at `start`, quotes included.
pub(super) fn cells(text: &str, start: usize) -> Vec<Range<usize>> {
    let mut reader = Reader::new();
    let mut scratch = [0; 256];
    let mut cells = Vec::new();
    let (mut begin, mut at) = (start, start);
    loop {
        let (found, read, _) = reader.read_field(text.as_bytes().get(at..).unwrap_or_default(), &mut scratch);
        at += read;
        match found {
            // At its end, no input says that there is no more.
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end } => {
                let cell = text.get(begin..at).unwrap_or_default();
                let end = begin + cell.strip_suffix([',', '\n', '\r']).unwrap_or(cell).len();
                cells.push(begin..end);
                begin = at;
                if record_end {
                    return cells;
                }
            }
            ReadFieldResult::End => return cells,
        }
    }
}

/// What a cell says.
pub(super) fn value(cell: &str) -> String {
    match cell.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, start: usize) -> Vec<&str> {
        cells(text, start).into_iter().map(|cell| &text[cell]).collect()
    }

    #[test]
    fn every_cell_has_its_bytes() {
        let text = "id,name\r\na,\"x, \"\"y\"\"\"\r\nb,\n,,\nlast,";
        assert_eq!(said(text, 0), ["id", "name"]);
        assert_eq!(said(text, 9), ["a", "\"x, \"\"y\"\"\""]);
        assert_eq!(value("\"x, \"\"y\"\"\""), "x, \"y\"");
        let rest = text.find("b,").unwrap();
        assert_eq!(said(text, rest), ["b", ""]);
        assert_eq!(said(text, rest + 3), ["", "", ""]);
        assert_eq!(said(text, rest + 6), ["last", ""]);
        assert_eq!(said("", 0), Vec::<&str>::new());
        assert_eq!(said("\"open,\n", 0), ["\"open,"]);
    }

    #[test]
    fn longer_than_the_scratch() {
        let text = format!("{},b\n", "é".repeat(2000));
        assert_eq!(said(&text, 0)[1], "b");
    }
}
