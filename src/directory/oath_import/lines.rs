//! One line of a CSV file after the other.
//!
//! Always true: a line has a bounded length, and a cell does not go over lines, so that
//! one quotation mark too many costs one row and not the rest of the file.

use std::io::{self, BufRead, Read as _};

use zeroize::Zeroizing;

/// No row of a token is longer, in bytes.
const LONGEST_LINE: u64 = 4096;

/// A line's number and its cells, or why it has none. A secret stands in one of them.
pub(super) type Line = (u64, Result<Zeroizing<Vec<String>>, String>);

pub(super) struct Lines<R> {
    from: R,
    number: u64,
    delimiter: Option<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            number: 0,
            delimiter: None,
        }
    }

    /// The next line that is neither empty nor a comment.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut line = Zeroizing::new(Vec::new());
            let mut limited = (&mut self.from).take(LONGEST_LINE);
            if limited.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.len() as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
                self.skip_line()?;
                let reason = format!("the line has more than {LONGEST_LINE} bytes");
                return Ok(Some((self.number, Err(reason))));
            }
            let Ok(line) = std::str::from_utf8(&line) else {
                let reason = "the line is not UTF-8".to_owned();
                return Ok(Some((self.number, Err(reason))));
            };
            let line = line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let delimiter = *self.delimiter.get_or_insert_with(|| delimiter(line));
            return Ok(Some((self.number, cells(line, delimiter))));
        }
    }

    /// To the end of a line that is too long, without keeping it.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.from.fill_buf()?;
            let (length, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.from.consume(length);
            if ended {
                return Ok(());
            }
        }
    }
}

/// What the first line separates its cells with.
fn delimiter(line: &str) -> u8 {
    [b',', b';', b'\t', b' ']
        .into_iter()
        .find(|delimiter| line.as_bytes().contains(delimiter))
        .unwrap_or(b',')
}

fn cells(line: &str, delimiter: u8) -> Result<Zeroizing<Vec<String>>, String> {
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .buffer_capacity(line.len().max(1))
        .from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    match csv.read_record(&mut record) {
        Ok(_) if quoted_to_the_end(line, &record) => {
            Err("a quotation mark is opened and not closed".to_owned())
        }
        Ok(_) => Ok(Zeroizing::new(record.iter().map(str::to_owned).collect())),
        Err(error) => Err(error.to_string()),
    }
}

/// The reader takes an open quotation mark as closed at the end of its input.
fn quoted_to_the_end(line: &str, record: &csv::StringRecord) -> bool {
    line.bytes().filter(|byte| *byte == b'"').count() % 2 == 1
        && record
            .iter()
            .next_back()
            .is_some_and(|cell| !cell.is_empty())
}
