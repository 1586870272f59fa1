//! What of a text goes with something that is taken out of it.
//!
//! With a statement go its line and the comment behind it, when it has them for itself, else the `;`
//! that parts it from a neighbour; with a member of a list its comma. Comments on lines of their own
//! stay.

use std::ops::Range;

/// The bytes to delete so that a statement is gone and nothing else: the text is as well formed as
/// before.
#[must_use]
pub fn deletion(text: &str, statement: Range<usize>) -> Range<usize> {
    // (Lines may be as long as texts are: nothing is looked for along one.)
    let head = text[..statement.start].trim_end_matches(BLANKS);
    let separated = skip(text, statement.end, ';');
    let end = separated.unwrap_or(statement.end);
    let behind_head = head.len();
    if is_line_start(head) {
        return match line_end(text, end) {
            Some(next) => behind_head..next,
            None => statement.start..skip_blanks(text, end),
        };
    }
    match (separated, is_last(text, end)) {
        // What follows moves up.
        (Some(end), false) => statement.start..skip_blanks(text, end),
        (Some(end), true) => behind_head..end,
        (None, _) if head.strip_suffix(';').is_some_and(|rest| !is_line_start(rest)) => {
            behind_head - 1..statement.end
        }
        (None, _) => behind_head..statement.end,
    }
}

/// The bytes to delete so that a member of a list is gone with its comma; `None` where that is not plain
/// to see. A number that goes on with the protocol before it, as in `tcp 22, 80`, keeps the protocol.
#[must_use]
pub fn member_deletion(text: &str, member: Range<usize>) -> Option<Range<usize>> {
    let head = text[..member.start].trim_end_matches(BLANKS);
    let Some(behind) = skip(text, member.end, ',') else {
        return head.ends_with(',').then(|| head.len() - 1..member.end);
    };
    match line_end(text, behind) {
        Some(next) if is_line_start(head) => Some(head.len()..next),
        Some(_) => None,
        None => {
            let next = skip_blanks(text, behind);
            let is_number = text[next..].starts_with(|c: char| c.is_ascii_digit());
            let words = &text[member.clone()];
            let kept = ["tcp ", "udp ", "udplite ", "sctp ", "dccp "];
            let goes_on = is_number && kept.iter().any(|word| words.starts_with(word));
            let start = if goes_on { words.rfind(' ').map_or(0, |blank| blank + 1) } else { 0 };
            Some(member.start + start..next)
        }
    }
}

/// What stands between words of a line. (A line may end in CR and LF.)
const BLANKS: [char; 3] = [' ', '\t', '\r'];

fn skip_blanks(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    from + rest.len() - rest.trim_start_matches([' ', '\t']).len()
}

/// Behind a sign, if it is the next one on the line.
fn skip(text: &str, from: usize, sign: char) -> Option<usize> {
    let at = skip_blanks(text, from);
    text[at..].starts_with(sign).then(|| at + sign.len_utf8())
}

/// Whether a line begins behind a text, but for blanks.
fn is_line_start(head: &str) -> bool {
    head.is_empty() || head.ends_with('\n')
}

/// Where the next line begins, if this one has nothing more to say than a comment.
fn line_end(text: &str, from: usize) -> Option<usize> {
    let rest = text[from..].trim_start_matches(BLANKS);
    let is_done = rest.is_empty() || rest.starts_with(['\n', '#']);
    is_done.then(|| rest.find('\n').map_or(text.len(), |at| text.len() - rest.len() + at + 1))
}

/// Whether no statement follows on the line.
fn is_last(text: &str, from: usize) -> bool {
    line_end(text, from).is_some() || skip(text, from, '}').is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text without the statement that stands between `<` and `>`.
    fn without(marked: &str) -> String {
        let start = marked.find('<').expect("a start");
        let end = marked.find('>').expect("an end") - 1;
        let mut text = marked.replace(['<', '>'], "");
        text.replace_range(deletion(&text, start..end), "");
        text
    }

    #[test]
    fn a_line_of_its_own_goes_with_its_comment() {
        assert_eq!(without("a\n  <b c>  # why\nd\n"), "a\nd\n");
        assert_eq!(without("# of b\n<b>;\n\nd\n"), "# of b\n\nd\n");
        assert_eq!(without("a\r\n<b>\t# why\r\nd\r\n"), "a\r\nd\r\n");
        assert_eq!(without("a\n<b from {\n  c # c\n}>\nd"), "a\nd");
        assert_eq!(without("a\n<b>"), "a\n");
        assert_eq!(without("<b>"), "");
    }

    #[test]
    fn neighbours_on_the_line_stay_with_its_comment() {
        assert_eq!(without("<a>; b # both\n"), "b # both\n");
        assert_eq!(without("  <a> ;b\n"), "  b\n");
        assert_eq!(without("a; <b>; c\n"), "a; c\n");
        assert_eq!(without("a; <b> # both\nc\n"), "a # both\nc\n");
        assert_eq!(without("a ; <b>;\r\n"), "a ;\r\n");
    }

    #[test]
    fn blocks_on_one_line_stay_blocks() {
        assert_eq!(without("x { <a> }\n"), "x { }\n");
        assert_eq!(without("x { <a>; b }\n"), "x { b }\n");
        assert_eq!(without("x { a; <b> }\n"), "x { a }\n");
        assert_eq!(without("x { a; <b>; }\n"), "x { a; }\n");
        assert_eq!(without("x {\n  <a> }\n"), "x {\n  }\n");
        assert_eq!(without("x { <a>\n  b }\n"), "x {\n  b }\n");
    }

    fn without_member(marked: &str) -> Option<String> {
        let start = marked.find('<').expect("a start");
        let end = marked.find('>').expect("an end") - 1;
        let mut text = marked.replace(['<', '>'], "");
        text.replace_range(member_deletion(&text, start..end)?, "");
        Some(text)
    }

    #[test]
    fn a_member_goes_with_its_comma() {
        let gone = |marked| without_member(marked).unwrap_or_default();
        assert_eq!(gone("allow <ssh>, http from x"), "allow http from x");
        assert_eq!(gone("allow ssh, <http> from x"), "allow ssh from x");
        assert_eq!(gone("allow ssh,<http>,dns"), "allow ssh,dns");
        assert_eq!(gone("allow <tcp 22>, 80"), "allow tcp 80");
        assert_eq!(gone("allow tcp 22, <80>, 443"), "allow tcp 22, 443");
        assert_eq!(gone("allow <tcp 22>, udp 53"), "allow udp 53");
        assert_eq!(gone("from (\n  <a>, # a\n  b\n)"), "from (\n  b\n)");
        assert_eq!(without_member("from <a>,\n  b"), None);
        assert_eq!(without_member("from a,\n  <b>"), None);
    }
}
