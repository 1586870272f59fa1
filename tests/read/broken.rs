//! Whatever a text is, reading it ends, and what it finds stands inside of the text.

use palisade::diagnostic::Finding;
use palisade::net::Family;
use palisade::packet::Random;
use palisade::read::{is_dump, read, read_ipsets};
use palisade::source::Sources;

/// Every match and target there is, as a beginning.
const LINES: &str = include_str!("../kernel/dumps/lines.v4");

/// Pieces that mean something to a reader.
const PIECES: [&str; 24] = [
    "!",
    "\"",
    "\\",
    "-",
    "--",
    "=",
    ",",
    ":",
    "/",
    " ",
    "\n",
    "\t",
    "\r",
    "\0",
    "ö",
    "-A INPUT ",
    "COMMIT\n",
    "*nat\n",
    ":x - [0:0]\n",
    "-m ",
    "-j ",
    "99999999999999999999",
    "0x",
    "\u{feff}",
];

/// A text with some bytes gone, doubled, or other ones in their place.
fn broken(random: &mut Random, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.index(8) {
        let at = random.index(chars.len() + 1);
        match random.index(4) {
            0 => drop(chars.drain(at..(at + 1 + random.index(5)).min(chars.len()))),
            1 => {
                let end = (at + random.index(30)).min(chars.len());
                let copy: Vec<char> = chars[at..end].to_vec();
                chars.splice(at..at, copy);
            }
            _ => {
                let piece = PIECES[random.index(PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn broken_texts_are_read_to_their_end() {
    let mut random = Random::new(5);
    let lines: Vec<&str> = LINES.lines().filter(|line| line.starts_with("-A")).collect();
    for _ in 0..3_000 {
        let some = (0..5).map(|_| lines[random.index(lines.len())]);
        let some = some.collect::<Vec<_>>().join("\n");
        let text = format!("*filter\n:own - [0:0]\n:Web.1 - [0:0]\n{some}\nCOMMIT\n");
        let text = broken(&mut random, &text);
        let _ = is_dump(&text);
        for family in [None, Some(Family::V4), Some(Family::V6)] {
            let mut sources = Sources::new();
            let file = sources.add("rules", text.as_str());
            let once = read(file, &text, family);
            for span in once.findings.iter().flat_map(Finding::places) {
                assert!(text.get(span.range()).is_some(), "{span:?}: {text}");
            }
            assert_eq!(once, read(file, &text, family));
            let _ = read_ipsets(file, &text);
        }
    }
}
