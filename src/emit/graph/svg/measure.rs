//! How large a box is, and where its rows are.

use super::super::picture::{ChainBox, Row};
use super::super::words::width;

pub(super) const ROW: i32 = 22;
pub(super) const HEADER: i32 = 46;
/// Between two rails.
pub(super) const LANE: i32 = 8;
const PADDING: i32 = 12;
const FAMILY: i32 = 34;

/// A box with its parts, from its own corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) width: i32,
    pub(super) height: i32,
    /// Where rows begin: right of the rails.
    pub(super) rows: i32,
    /// Where the number of the line ends.
    pub(super) line: i32,
    /// Where the text begins.
    pub(super) text: i32,
}

impl Measured {
    /// A box with so many rails beside its rules.
    pub(super) fn of(one: &ChainBox, lanes: usize) -> Self {
        let lanes = i32::try_from(lanes).unwrap_or(i32::MAX / LANE);
        let all = || one.rows.iter().chain([&one.ending]);
        let widest = |of: fn(&Row) -> &str| all().map(|row| pixels(of(row))).max().unwrap_or(0);
        let rows = if lanes == 0 { 8 } else { 22 + lanes * LANE };
        let line = rows + 8 + widest(|row| &row.line).max(14);
        let text = line + 10;
        let family = if all().any(|row| !row.family.is_empty()) { FAMILY } else { 0 };
        let of_rows = text + widest(|row| &row.text) + family + PADDING;
        let of_header = PADDING + pixels(&one.name).max(pixels(&one.about)) + PADDING;
        let count = i32::try_from(one.rows.len() + 1).unwrap_or(i32::MAX / ROW / 2);
        let (width, height) = (of_rows.max(of_header).max(190), HEADER + count * ROW + 6);
        Measured { width, height, rows, line, text }
    }

    /// The middle of a rail, the innermost being number 0.
    pub(super) fn lane(&self, lane: usize) -> i32 {
        self.rows - 14 - i32::try_from(lane).unwrap_or(0) * LANE
    }
}

/// The top of a row.
pub(super) fn top_of(row: usize) -> i32 {
    HEADER + i32::try_from(row).unwrap_or(0) * ROW
}

/// The height of an arrow's end: the middle of a row, or of the head.
pub(super) fn port(row: Option<usize>) -> i32 {
    row.map_or(HEADER / 2, |row| top_of(row) + ROW / 2)
}

/// The width of a text of 12 pixels: the widest of the usual fonts of one width (DejaVu Sans Mono,
/// Menlo) take 0.602 of their height for a column.
pub(super) fn pixels(text: &str) -> i32 {
    let columns = i32::try_from(width(text)).unwrap_or(i32::MAX / 100);
    (columns * 73 + 9) / 10
}
