//! The document: elements in the order in which they lie on each other.

use std::fmt::Write as _;

use super::super::picture::{Arrow, ArrowKind, ChainBox, Look, Picture, Row};
use super::measure::{HEADER, Measured, ROW, pixels, port, top_of};
use super::rails::Rail;
use crate::analyze::graph::Does;

const STYLE: &str = include_str!("style.css");

/// Around everything.
const MARGIN: i32 = 24;

/// The heading, without notes.
const HEADING: i32 = 58;

/// A line of notes or of the legend.
const LINE: i32 = 20;

/// The sample of an arrow in the legend.
const SAMPLE: i32 = 34;

/// Corners of rails.
const CORNER: i32 = 5;

/// A document while it is written.
pub(super) struct Drawing {
    out: String,
    width: i32,
    /// Where the boxes begin, and how much they take.
    top: i32,
    height: i32,
}

impl Drawing {
    /// A page with its heading for boxes that take so much.
    pub(super) fn new(picture: &Picture, width: i32, height: i32) -> Self {
        let notes = i32::try_from(picture.notes.len()).unwrap_or(0);
        let words = [&picture.name, &picture.summary].into_iter().chain(&picture.notes);
        // The heading is in larger letters.
        let widest = words.map(|text| pixels(text) * 4 / 3).max().unwrap_or(0);
        let width = width.max(widest).max(560);
        let mut drawing =
            Drawing { out: String::new(), width, top: MARGIN + HEADING + notes * LINE, height };
        drawing.open(picture);
        drawing
    }

    /// A line from box to box.
    pub(super) fn route(&mut self, arrow: &Arrow, points: &[(i32, i32)]) {
        let points: Vec<(i32, i32)> =
            points.iter().map(|(x, y)| (x + MARGIN, y + self.top)).collect();
        let mut path = String::new();
        // Where the curve before ended.
        let mut last: Option<(i32, i32)> = None;
        for straight in points.chunks_exact(2) {
            let ((from_x, y), (to_x, _)) = (straight[0], straight[1]);
            match last {
                None => {
                    let _ = write!(path, "M{from_x} {y}");
                }
                Some((x, before)) => {
                    // Within one column the way is out and back.
                    let turn = if x == from_x { x + 44 } else { i32::midpoint(x, from_x) };
                    let _ = write!(path, "C{turn} {before} {turn} {y} {from_x} {y}");
                }
            }
            if to_x != from_x {
                let _ = write!(path, "H{to_x}");
            }
            last = Some((to_x, y));
        }
        self.arrow(arrow, &path);
    }

    /// A line beside the rows of a box.
    pub(super) fn rail(&mut self, rail: &Rail<'_>, measured: &Measured, at: (i32, i32)) {
        let (left, top) = (at.0 + MARGIN, at.1 + self.top);
        let (edge, x) = (left + measured.rows - 2, left + measured.lane(rail.lane));
        let [from, to] = [rail.from, rail.to].map(|row| top + port(Some(row)));
        let turn = if from < to { CORNER } else { -CORNER };
        let path = format!(
            "M{edge} {from}H{}Q{x} {from} {x} {}V{}Q{x} {to} {} {to}H{}",
            x + CORNER,
            from + turn,
            to - turn,
            x + CORNER,
            edge
        );
        self.arrow(rail.arrow, &path);
        let class = class(rail.arrow.kind);
        let _ = writeln!(
            self.out,
            "<circle class=\"f-{class}\" cx=\"{edge}\" cy=\"{from}\" r=\"2.5\"/>"
        );
    }

    /// A chain with its rules.
    pub(super) fn chain(&mut self, one: &ChainBox, measured: &Measured, at: (i32, i32)) {
        let (x, y) = (at.0 + MARGIN, at.1 + self.top);
        let Measured { width, height, .. } = *measured;
        let _ = writeln!(self.out, "<g transform=\"translate({x} {y})\">");
        let _ = writeln!(
            self.out,
            "<rect class=\"box\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
        );
        let head = HEADER - 6;
        let _ = writeln!(
            self.out,
            "<g><title>{}</title><path class=\"head\" d=\"M1 {head}V8A7 7 0 0 1 8 1H{}A7 7 0 0 1 {} 8V{head}Z\"/>",
            escaped(&one.story),
            width - 8,
            width - 1
        );
        let _ = writeln!(
            self.out,
            "<text class=\"name\" x=\"12\" y=\"18\">{}</text>",
            escaped(&one.name)
        );
        let _ = writeln!(
            self.out,
            "<text class=\"quiet\" x=\"12\" y=\"34\">{}</text></g>",
            escaped(&one.about)
        );
        let _ = writeln!(self.out, "<path class=\"rule\" d=\"M1 {head}H{}\"/>", width - 1);
        for (number, row) in one.rows.iter().enumerate() {
            self.row(row, measured, top_of(number));
        }
        let foot = top_of(one.rows.len());
        if !one.rows.is_empty() {
            let _ = writeln!(self.out, "<path class=\"rule\" d=\"M1 {foot}H{}\"/>", width - 1);
        }
        self.row(&one.ending, measured, foot + 3);
        self.out.push_str("</g>\n");
    }

    fn row(&mut self, row: &Row, measured: &Measured, y: i32) {
        let base = y + 15;
        let _ = writeln!(self.out, "<g><title>{}</title>", escaped(&row.story));
        let left = measured.rows;
        let _ = writeln!(
            self.out,
            "<rect class=\"row\" x=\"{left}\" y=\"{y}\" width=\"{}\" height=\"{ROW}\"/>",
            measured.width - left - 1
        );
        if let Some(deed) = deed(row.look) {
            let (y, height) = (y + 3, ROW - 6);
            let _ = writeln!(
                self.out,
                "<rect class=\"{deed}\" x=\"{left}\" y=\"{y}\" width=\"3\" height=\"{height}\" rx=\"1.5\"/>"
            );
        }
        if !row.line.is_empty() {
            let (x, line) = (measured.line, escaped(&row.line));
            let _ = writeln!(
                self.out,
                "<text class=\"line\" x=\"{x}\" y=\"{base}\" text-anchor=\"end\">{line}</text>"
            );
        }
        let _ = writeln!(self.out, "{}", text(row, measured.text, base));
        if !row.family.is_empty() {
            let x = measured.width - 10;
            let _ = writeln!(
                self.out,
                "<text class=\"line\" x=\"{x}\" y=\"{base}\" text-anchor=\"end\">{}</text>",
                row.family
            );
        }
        self.out.push_str("</g>\n");
    }

    /// The legend, and the frame around everything.
    pub(super) fn finish(mut self, picture: &Picture) -> String {
        let mut x = MARGIN;
        let mut y = self.top + self.height + 40;
        for kind in picture.kinds() {
            let (class, words) = (class(kind), explained(kind));
            let width = SAMPLE + 10 + pixels(words) + 24;
            if x > MARGIN && x + width > self.width + MARGIN {
                (x, y) = (MARGIN, y + LINE);
            }
            let _ = writeln!(
                self.out,
                "<path class=\"arrow s-{class}\" d=\"M{x} {}h{}\" marker-end=\"url(#{class})\"/>",
                y - 4,
                SAMPLE - 6
            );
            let _ = writeln!(
                self.out,
                "<text class=\"quiet\" x=\"{}\" y=\"{y}\">{words}</text>",
                x + SAMPLE + 10
            );
            x += width;
        }
        self.out.push_str("</svg>\n");
        let (width, height) = (self.width + 2 * MARGIN, y + MARGIN);
        let frame = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title\">\n"
        );
        let page = format!("<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n");
        frame + &self.out.replacen("<page/>\n", &page, 1)
    }

    fn open(&mut self, picture: &Picture) {
        let name = escaped(&picture.name);
        let _ =
            writeln!(self.out, "<title id=\"title\">{name}: {}</title>", escaped(&picture.summary));
        let _ = writeln!(self.out, "<style>\n{STYLE}</style>");
        self.out.push_str("<defs>\n");
        for kind in picture.kinds() {
            let class = class(kind);
            let size = if kind == ArrowKind::Way { 18 } else { 8 };
            let _ = writeln!(
                self.out,
                "<marker id=\"{class}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"{size}\" \
                 markerHeight=\"{size}\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
                 <path class=\"f-{class}\" d=\"M0 0L8 4L0 8Z\"/></marker>"
            );
        }
        self.out.push_str("</defs>\n<page/>\n");
        let _ = writeln!(self.out, "<text class=\"heading\" x=\"{MARGIN}\" y=\"40\">{name}</text>");
        let _ = writeln!(
            self.out,
            "<text class=\"quiet\" x=\"{MARGIN}\" y=\"60\">{}</text>",
            escaped(&picture.summary)
        );
        for (y, note) in (80..).step_by(20).zip(&picture.notes) {
            let _ = writeln!(
                self.out,
                "<text class=\"note\" x=\"{MARGIN}\" y=\"{y}\">{}</text>",
                escaped(note)
            );
        }
    }

    fn arrow(&mut self, arrow: &Arrow, path: &str) {
        let (class, story) = (class(arrow.kind), escaped(&arrow.story));
        let _ = writeln!(
            self.out,
            "<path class=\"arrow s-{class}\" d=\"{path}\" marker-end=\"url(#{class})\"><title>{story}</title></path>"
        );
    }
}

/// The text of a row: of a statement the first word is its deed.
fn text(row: &Row, x: i32, y: i32) -> String {
    let whole = escaped(&row.text);
    let said = match row.look {
        Look::Rule(_) | Look::Default(_) => {
            let (verb, rest) =
                row.text.split_at(row.text.find([' ', '(']).unwrap_or(row.text.len()));
            let deed = deed(row.look).unwrap_or_default();
            let (verb, rest) = (escaped(verb), escaped(rest));
            return format!(
                "<text x=\"{x}\" y=\"{y}\"><tspan class=\"verb {deed}\">{verb}</tspan>{rest}</text>"
            );
        }
        Look::Hidden(_) => "hidden",
        Look::Fold | Look::Back => "fold",
    };
    format!("<text class=\"{said}\" x=\"{x}\" y=\"{y}\">{whole}</text>")
}

/// The colour of a row.
fn deed(look: Look) -> Option<&'static str> {
    let does = match look {
        Look::Rule(does) | Look::Hidden(does) | Look::Default(does) => does,
        Look::Fold | Look::Back => return None,
    };
    Some(match does {
        Does::Allow | Does::Leave => "allow",
        Does::Drop | Does::Reject => "drop",
        Does::Translate => "translate",
        Does::Jump | Does::Goto => "jump",
        Does::Decide | Does::Change | Does::Add | Does::Log | Does::Return => "other",
    })
}

fn class(kind: ArrowKind) -> &'static str {
    match kind {
        ArrowKind::Way => "way",
        ArrowKind::Jump => "jump",
        ArrowKind::Goto => "goto",
        ArrowKind::Hides => "hides",
        ArrowKind::Conflicts => "conflicts",
        ArrowKind::Excepts => "excepts",
        ArrowKind::DependsOn => "depends",
    }
}

/// For the legend.
fn explained(kind: ArrowKind) -> &'static str {
    match kind {
        ArrowKind::Way => "the way of packets",
        ArrowKind::Jump => "jumps, and comes back",
        ArrowKind::Goto => "goes, for good",
        ArrowKind::Hides => "hides: the other never gets a packet",
        ArrowKind::Conflicts => "conflict: on what both match, the upper one decides",
        ArrowKind::Excepts => "exception: takes a part first",
        ArrowKind::DependsOn => "depends on that translation",
    }
}

/// For text and attributes. Characters that XML forbids are gone already.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}
