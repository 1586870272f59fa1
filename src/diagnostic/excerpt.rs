//! The few lines of a text that one finding shows, made safe and short for a terminal.
//!
//! Control characters are escaped, very long lines are cut around what is marked, and very long
//! marks are cut to their first line; numbers of lines and columns stay those of the text. The cost
//! depends on what is shown, not on the size of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use codespan_reporting::files;

use super::report::Names;
use crate::source::{FileId, Sources, Span};

/// A mark over more lines than this is shown by its first line.
const MAX_LINES: usize = 12;

/// A line of more characters than this is cut around its marks.
const MAX_COLUMNS: usize = 240;

/// How many characters stay before the first mark of a line that is cut.
const LEAD: usize = 60;

/// The lines of one file, as a small text of its own.
pub(super) struct Excerpt {
    name: String,
    text: String,
    lines: Vec<Line>,
    /// By the offset in `text` where a mark starts: its column in the file.
    columns: BTreeMap<usize, usize>,
    /// By the offset in the file where a mark starts or ends: the offset in `text`.
    offsets: BTreeMap<usize, usize>,
}

struct Line {
    /// 1-based, in the file.
    number: usize,
    range: Range<usize>,
}

impl Excerpt {
    /// What `spans`, all of `file`, need to be shown.
    pub(super) fn new(sources: &Sources, names: &Names, file: FileId, spans: &[Span]) -> Self {
        let mut excerpt = Excerpt {
            name: escape(&names.name(sources.file(file))),
            text: String::new(),
            lines: Vec::new(),
            columns: BTreeMap::new(),
            offsets: BTreeMap::new(),
        };
        let marks: Vec<Range<usize>> = spans.iter().map(|span| mark(sources, *span)).collect();
        let wanted: BTreeSet<usize> =
            marks.iter().flat_map(|mark| [mark.start, mark.end]).collect();
        let mut before: Option<usize> = None;
        for index in lines_of(sources, file, &marks) {
            if before.is_some_and(|before| before + 1 < index) {
                // The renderer shows a gap where at least two lines are left out.
                excerpt.push_gap();
            }
            before = Some(index);
            excerpt.push_line(index + 1, sources, file, &wanted);
        }
        for (span, mark) in spans.iter().zip(&marks) {
            let start = excerpt.offsets.get(&mark.start).copied().unwrap_or(0);
            excerpt.columns.insert(start, sources.start(*span).column);
        }
        excerpt
    }

    /// Where a span given to [`Excerpt::new`] is in the small text.
    pub(super) fn range(&self, sources: &Sources, span: Span) -> Range<usize> {
        let mark = mark(sources, span);
        let at = |offset: usize| self.offsets.get(&offset).copied().unwrap_or(self.text.len());
        let start = at(mark.start);
        start..at(mark.end).max(start)
    }

    fn push_gap(&mut self) {
        for _ in 0..2 {
            let start = self.text.len();
            self.text.push('\n');
            self.lines.push(Line { number: 0, range: start..self.text.len() });
        }
    }

    fn push_line(
        &mut self,
        number: usize,
        sources: &Sources,
        file: FileId,
        wanted: &BTreeSet<usize>,
    ) {
        let range = line_range(sources, file, number - 1);
        let line = &sources.file(file).text()[range.clone()];
        let shown = window(line, range.start, wanted);
        let start = self.text.len();
        if shown.start > 0 {
            self.text.push('…');
        }
        let place = |offset: usize| range.start + offset;
        for offset in wanted.range(place(0)..place(shown.start)) {
            self.offsets.insert(*offset, start);
        }
        for (offset, character) in line[shown.clone()].char_indices() {
            let offset = place(shown.start + offset);
            if wanted.contains(&offset) {
                self.offsets.insert(offset, self.text.len());
            }
            push_escaped(&mut self.text, character, Tabs::Kept);
        }
        for offset in wanted.range(place(shown.end)..=place(line.len())) {
            self.offsets.insert(*offset, self.text.len());
        }
        if shown.end < line.len() {
            self.text.push('…');
        }
        self.text.push('\n');
        self.lines.push(Line { number, range: start..self.text.len() });
    }
}

/// The bytes of a line without its line end.
fn line_range(sources: &Sources, file: FileId, index: usize) -> Range<usize> {
    let range = files::Files::line_range(sources, file, index).unwrap_or(0..0);
    let line = &sources.file(file).text()[range.clone()];
    range.start..range.start + line.trim_end_matches(['\n', '\r']).len()
}

fn line_index(sources: &Sources, file: FileId, offset: usize) -> usize {
    sources.line(Span::new(file, offset..offset)) - 1
}

/// The part of a span that is marked: within line ends, and not over too many lines.
fn mark(sources: &Sources, span: Span) -> Range<usize> {
    let first = line_index(sources, span.file(), span.start());
    // A span that takes a line end along still ends on the line before.
    let last = line_index(sources, span.file(), span.end().saturating_sub(1).max(span.start()));
    let first_range = line_range(sources, span.file(), first);
    let start = span.start().min(first_range.end);
    if last - first >= MAX_LINES {
        return start..first_range.end;
    }
    let end = span.end().min(line_range(sources, span.file(), last).end);
    start..end.max(start)
}

/// The lines to show, in order; a single line between two of them is shown too.
fn lines_of(sources: &Sources, file: FileId, marks: &[Range<usize>]) -> BTreeSet<usize> {
    let index = |offset| line_index(sources, file, offset);
    let mut lines: BTreeSet<usize> =
        marks.iter().flat_map(|mark| index(mark.start)..=index(mark.end)).collect();
    let between: Vec<usize> = lines
        .iter()
        .zip(lines.iter().skip(1))
        .filter(|(one, next)| *next - *one == 2)
        .map(|(one, _)| one + 1)
        .collect();
    lines.extend(between);
    lines
}

/// The bytes of a line that are shown: all, or a part around the first mark.
fn window(line: &str, line_start: usize, wanted: &BTreeSet<usize>) -> Range<usize> {
    // A character has at most four bytes, so most lines need no counting.
    if line.len() <= MAX_COLUMNS || line.chars().nth(MAX_COLUMNS).is_none() {
        return 0..line.len();
    }
    let first_mark = wanted.range(line_start..=line_start + line.len()).next();
    let first_mark = first_mark.map_or(0, |offset| offset - line_start);
    let start = line[..first_mark].char_indices().rev().nth(LEAD).map_or(0, |(offset, _)| offset);
    let end =
        line[start..].char_indices().nth(MAX_COLUMNS).map_or(line.len(), |(at, _)| start + at);
    start..end
}

#[derive(Clone, Copy)]
enum Tabs {
    Kept,
    Escaped,
}

/// Text for one line of a terminal: characters that would steer it are spelt out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        push_escaped(&mut escaped, character, Tabs::Escaped);
    }
    escaped
}

fn push_escaped(out: &mut String, character: char, tabs: Tabs) {
    match (character, tabs) {
        ('\t', Tabs::Kept) => out.push('\t'),
        (character, Tabs::Kept | Tabs::Escaped) if steers_terminal(character) => {
            out.extend(character.escape_unicode());
        }
        (character, Tabs::Kept | Tabs::Escaped) => out.push(character),
    }
}

/// Control characters, and invisible ones that reorder or hide what is beside them.
fn steers_terminal(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

/// Several excerpts, one a file, by their position.
pub(super) struct Excerpts(pub(super) Vec<Excerpt>);

impl Excerpts {
    fn get(&self, id: usize) -> Result<&Excerpt, files::Error> {
        self.0.get(id).ok_or(files::Error::FileMissing)
    }

    fn line(&self, id: usize, index: usize) -> Result<&Line, files::Error> {
        let lines = &self.get(id)?.lines;
        let max = lines.len().saturating_sub(1);
        lines.get(index).ok_or(files::Error::LineTooLarge { given: index, max })
    }
}

impl<'a> files::Files<'a> for Excerpts {
    type FileId = usize;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: usize) -> Result<&'a str, files::Error> {
        Ok(&self.get(id)?.name)
    }

    fn source(&'a self, id: usize) -> Result<&'a str, files::Error> {
        Ok(&self.get(id)?.text)
    }

    fn line_index(&'a self, id: usize, byte: usize) -> Result<usize, files::Error> {
        let lines = &self.get(id)?.lines;
        Ok(lines.partition_point(|line| line.range.start <= byte).saturating_sub(1))
    }

    fn line_number(&'a self, id: usize, index: usize) -> Result<usize, files::Error> {
        Ok(self.line(id, index)?.number)
    }

    fn column_number(&'a self, id: usize, _: usize, byte: usize) -> Result<usize, files::Error> {
        Ok(self.get(id)?.columns.get(&byte).copied().unwrap_or(1))
    }

    fn line_range(&'a self, id: usize, index: usize) -> Result<Range<usize>, files::Error> {
        Ok(self.line(id, index)?.range.clone())
    }
}
