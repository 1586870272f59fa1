//! Texts from seeds: of a few templates each, whose numbers go on from line to line in ways of their own.
//!
//! What is hard is seldom one thing over and over, and nobody thinks of all that is hard together. A seed draws the
//! templates and says whether their lines stand in turn or those of one behind those of the other, so what it
//! finds is found again by it.

mod dumps;
mod policies;

use palisade::net::Family;
use palisade::packet::Random;

use crate::texts::{Kind, Text, dotted, host, host6, net, port};

/// About how many bytes a text has. A quarter of a megabyte: a hundred texts then take minutes, and what grows
/// with the square of a text still shows.
const SIZE: usize = 250_000;

/// More templates than a text has, so that each line has a number of its own.
const MOST_TEMPLATES: usize = 8;

/// The numbers of the lines go from 1 to this.
const HIGHEST: usize = 60_000;

pub fn of_seed(seed: u64) -> Text {
    let (kind, _) = begun(seed);
    Text::of_seed(kind, seed, text)
}

fn text(seed: u64) -> String {
    let (kind, mut random) = begun(seed);
    match kind {
        Kind::Policy => policies::text(&mut random),
        Kind::Dump(family) => dumps::text(&mut random, family),
    }
}

/// The kind of a seed's text, and what draws the rest of it.
fn begun(seed: u64) -> (Kind, Random) {
    let mut random = Random::new(seed);
    let kind = match random.index(10) {
        0..=3 => Kind::Policy,
        4..=7 => Kind::Dump(Family::V4),
        _ => Kind::Dump(Family::V6),
    };
    (kind, random)
}

/// How the number of a part goes on from line to line.
#[derive(Clone, Copy)]
enum Numbers {
    Same(usize),
    Rising,
    Round(usize),
    Scattered(usize),
}

impl Numbers {
    fn drawn(random: &mut Random) -> Self {
        match random.index(9) {
            0 | 1 => Self::Same(1 + random.index(200)),
            2..=4 => Self::Rising,
            5..=7 => Self::Round(one(random, &[2, 3, 7, 60, 250])),
            _ => Self::Scattered(random.index(HIGHEST)),
        }
    }

    /// From 1 to [`HIGHEST`].
    fn at(self, turn: usize) -> usize {
        let number = match self {
            Self::Same(number) => number,
            Self::Rising => turn,
            Self::Round(length) => turn % length,
            // An odd number times all is all, without order.
            Self::Scattered(first) => turn * 7_919 + first,
        };
        number % HIGHEST + 1
    }
}

/// How the range of a part goes on from line to line.
#[derive(Clone, Copy)]
enum Ranges {
    Nested,
    /// So wide.
    Sliding(usize),
    ToTheEnd,
    Single,
}

impl Ranges {
    fn drawn(random: &mut Random) -> Self {
        match random.index(4) {
            0 => Self::Nested,
            1 => Self::Sliding(one(random, &[2, 100, 5_000])),
            2 => Self::ToTheEnd,
            _ => Self::Single,
        }
    }

    fn at(self, turn: usize, number: usize) -> (usize, usize) {
        const END: usize = 65_535;
        match self {
            Self::Nested => (30_000_usize.saturating_sub(turn), END.min(30_001 + turn)),
            Self::Sliding(width) => (number, number + width),
            Self::ToTheEnd => (number, END),
            Self::Single => (number, number),
        }
    }
}

/// What the words of a part are made of, in one line.
#[derive(Clone, Copy)]
struct Line {
    /// No other line of the text has it.
    id: usize,
    family: Family,
    number: usize,
    low: usize,
    high: usize,
    /// Of a match that may be turned round: `! ` where it is.
    not: &'static str,
}

type Words = fn(Line) -> String;

impl Line {
    fn host(self) -> String {
        match self.family {
            Family::V4 => host(self.number),
            Family::V6 => host6(self.number),
        }
    }

    /// The host of another number.
    fn host_of(self, number: usize) -> String {
        Line { number, ..self }.host()
    }

    /// With a port behind it.
    fn socket(self, port: usize) -> String {
        match self.family {
            Family::V4 => format!("{}:{port}", self.host()),
            Family::V6 => format!("[{}]:{port}", self.host()),
        }
    }

    fn net(self) -> String {
        match self.family {
            Family::V4 => format!("{}/24", net(self.number)),
            Family::V6 => format!("2001:db8:{:x}::/48", self.number),
        }
    }

    /// Networks that hold each other.
    fn wide(self) -> String {
        match self.family {
            Family::V4 => format!("10.0.0.0/{}", 8 + self.number % 24),
            Family::V6 => format!("2001:db8::/{}", 32 + self.number % 96),
        }
    }

    /// Its range, of addresses.
    fn addresses(self) -> String {
        match self.family {
            Family::V4 => {
                format!("{}-{}", dotted(0x0a00_0000 + self.low), dotted(0x0a00_0000 + self.high))
            }
            Family::V6 => format!("2001:db8::{:x}-2001:db8::{:x}", self.low, self.high),
        }
    }

    fn port(self) -> usize {
        port(self.number)
    }

    fn hardware(self) -> String {
        format!("02:00:00:00:{:02x}:{:02x}", self.number >> 8 & 255, self.number & 255)
    }

    /// A time of the day before 23 o'clock.
    fn clock(self) -> String {
        format!("{:02}:{:02}", self.number % 23, self.number % 60)
    }

    /// A number, and a mask of the bits that may be in it.
    fn masked(self) -> String {
        let shift = self.number % 16;
        format!("0x{:x}/0x{:x}", (self.number & 255) << shift, 255 << shift)
    }
}

/// A part of a template.
struct Part {
    words: Words,
    /// Of the template that it is a part of.
    template: usize,
    family: Family,
    numbers: Numbers,
    ranges: Ranges,
    not: &'static str,
}

impl Part {
    fn drawn(random: &mut Random, template: usize, family: Family, words: Words) -> Self {
        Part {
            words,
            template,
            family,
            numbers: Numbers::drawn(random),
            ranges: Ranges::drawn(random),
            not: one(random, &["! ", "", "", ""]),
        }
    }

    fn line(&self, turn: usize) -> Line {
        let number = self.numbers.at(turn);
        let (low, high) = self.ranges.at(turn, number);
        let id = turn * MOST_TEMPLATES + self.template;
        Line { id, family: self.family, number, low, high, not: self.not }
    }

    fn words(&self, turn: usize) -> String {
        (self.words)(self.line(turn))
    }
}

/// Any of them. There must be one.
fn one<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.index(from.len())]
}

/// A part for each of so many words that are drawn from those in groups, but one of a group at most.
fn parts(
    random: &mut Random,
    template: usize,
    family: Family,
    groups: &[&[Words]],
    count: usize,
) -> Vec<Part> {
    let all: Vec<(usize, Words)> = groups
        .iter()
        .enumerate()
        .flat_map(|(group, words)| words.iter().map(move |words| (group, *words)))
        .collect();
    let mut drawn = Vec::new();
    let mut seen = Vec::new();
    if all.is_empty() {
        return drawn;
    }
    for _ in 0..count {
        let (group, words) = one(random, &all);
        if !seen.contains(&group) {
            seen.push(group);
            drawn.push(Part::drawn(random, template, family, words));
        }
    }
    drawn
}

/// Words with a space between them; none for those that are empty.
fn joined(words: impl IntoIterator<Item = String>) -> String {
    words.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Lines of the templates, of about so many bytes: in turn, or all of one before those of the next.
fn lines<T>(
    random: &mut Random,
    templates: &[T],
    size: usize,
    line: impl Fn(&T, usize) -> String,
) -> String {
    let together = if random.one_in(3) { 1 } else { templates.len() };
    let mut text = String::new();
    for some in templates.chunks(together) {
        let end = text.len() + size / templates.len() * some.len();
        for turn in 0.. {
            if text.len() >= end {
                break;
            }
            for template in some {
                text += &line(template, turn);
                text.push('\n');
            }
        }
    }
    text
}
