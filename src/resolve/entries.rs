//! The file of a set: one address, network or range a line.
//!
//! `#` and `;` begin comments; blank lines, CRLF and a byte-order mark are taken as they come. A file
//! of a million lines is read without a node a line, and one that is no such list has few findings.

use std::ops::Range;

use super::messages;
use crate::diagnostic::Finding;
use crate::net::address::{Block, parse_block};
use crate::net::{AddressError, Addresses, Family, IntervalSet};
use crate::source::{FileId, Span};

/// So many lines at fault are shown of a file, of each kind of fault; the others are counted.
const MAX_SHOWN: usize = 5;

/// What a file says.
pub struct Entries {
    /// All of its entries together.
    pub addresses: Addresses,
    /// The first lines at fault.
    pub findings: Vec<Finding>,
    /// How many more lines are at fault: no entries, and networks with bits beyond their prefix.
    pub more_bad: usize,
    pub more_host_bits: usize,
}

/// Reads the text of a set's file.
pub fn read(file: FileId, text: &str) -> Entries {
    let mut reader = Reader::default();
    for range in entries(text) {
        match parse(&text[range.clone()]) {
            Ok(block) => reader.take(file, text, range, &block),
            Err(error) => {
                let room = reader.findings_of_bad < MAX_SHOWN;
                reader.findings_of_bad += 1;
                if room {
                    let (span, shown) = (Span::new(file, range.clone()), shorten(&text[range]));
                    reader.findings.push(messages::bad_entry(span, shown, &error));
                }
            }
        }
    }
    reader.finish()
}

/// No entry is longer: two IPv6 addresses as they can be written have 91 bytes.
const MAX_ENTRY: usize = 100;

/// An entry; what is too long for one is not looked into, for a complaint would repeat it.
fn parse(text: &str) -> Result<Block, AddressError> {
    if text.len() > MAX_ENTRY {
        return Err(AddressError::NotAnAddress);
    }
    parse_block(text)
}

#[derive(Default)]
struct Reader {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
    findings: Vec<Finding>,
    findings_of_bad: usize,
    findings_of_host_bits: usize,
}

impl Reader {
    fn take(&mut self, file: FileId, text: &str, range: Range<usize>, block: &Block) {
        match block.family {
            Family::V4 => {
                let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
                self.v4.push((narrow(block.low), narrow(block.high)));
            }
            Family::V6 => self.v6.push((block.low, block.high)),
        }
        let Some(network) = block.host_bits() else { return };
        if self.findings_of_host_bits < MAX_SHOWN {
            let (span, written) = (Span::new(file, range.clone()), &text[range]);
            self.findings.push(messages::host_bits(span, written, network));
        }
        self.findings_of_host_bits += 1;
    }

    fn finish(self) -> Entries {
        let v4 = IntervalSet::from_intervals(self.v4);
        let v6 = IntervalSet::from_intervals(self.v6);
        Entries {
            addresses: Addresses { v4, v6 },
            findings: self.findings,
            more_bad: self.findings_of_bad.saturating_sub(MAX_SHOWN),
            more_host_bits: self.findings_of_host_bits.saturating_sub(MAX_SHOWN),
        }
    }
}

/// Where the entries stand, without comments and blanks around them.
fn entries(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    const MARK: &str = "\u{feff}";
    let mut start = if text.starts_with(MARK) { MARK.len() } else { 0 };
    text[start..].split_inclusive('\n').filter_map(move |line| {
        let at = start;
        start += line.len();
        let said = line.split(['#', ';']).next().unwrap_or(line);
        let left = said.len() - said.trim_start().len();
        let entry = said.trim();
        (!entry.is_empty()).then(|| at + left..at + left + entry.len())
    })
}

/// A text for a message: a line of a file that is no list may be as long as the file.
fn shorten(text: &str) -> &str {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn of(text: &str) -> (Sources, Entries) {
        let mut sources = Sources::new();
        let file = sources.add("x.netset", text);
        (sources, read(file, text))
    }

    fn networks(entries: &Entries) -> Vec<String> {
        let of = |family| entries.addresses.prefixes(family).map(|prefix| prefix.to_string());
        Family::BOTH.into_iter().flat_map(of).collect()
    }

    #[test]
    fn a_list_may_be_written_in_many_ways() {
        let text = "\u{feff}# a list\r\n192.0.2.1\r\n\r\n  198.51.100.0/24 ; SBL1\n\
                    10.0.0.1-10.0.0.2# both\n2001:db8::/32\n2001:db8::1\n203.0.113.9";
        let (_, entries) = of(text);
        assert!(entries.findings.is_empty(), "{:?}", entries.findings);
        let expected = [
            "10.0.0.1/32",
            "10.0.0.2/32",
            "192.0.2.1/32",
            "198.51.100.0/24",
            "203.0.113.9/32",
            "2001:db8::/32",
        ];
        assert_eq!(networks(&entries), expected);
    }

    #[test]
    fn a_fault_is_told_with_its_line() {
        let (sources, entries) = of("# one\n192.0.2.1\n  192.0.2.256 # too high\n10.0.0.5/8\n");
        let places: Vec<String> =
            entries.findings.iter().filter_map(|f| f.span).map(|s| sources.locate(s)).collect();
        assert_eq!(places, ["x.netset:3", "x.netset:4"]);
        let texts: Vec<&str> =
            entries.findings.iter().filter_map(|f| f.span).map(|s| sources.text(s)).collect();
        assert_eq!(texts, ["192.0.2.256", "10.0.0.5/8"]);
    }

    #[test]
    fn what_is_no_list_has_few_and_short_findings() {
        let (_, entries) = of(&format!("{}\n10.0.0.1/8\n", "no list").repeat(5_000));
        assert_eq!(entries.findings.len(), 2 * MAX_SHOWN);
        assert_eq!((entries.more_bad, entries.more_host_bits), (4_995, 4_995));
        for long in ["größe", "1", "1.", "0", ":", "1-"] {
            let (_, entries) = of(&long.repeat(100_000));
            assert_eq!(entries.findings.len(), 1, "{long}");
            let message = &entries.findings[0].message;
            assert!(message.len() < 300, "{message}");
        }
    }
}
