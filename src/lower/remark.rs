//! Comments, owners and tickets of a statement → the comment of its kernel rules.

use crate::resolve::policy::Remarks;
use crate::ruleset::{MAX_COMMENT, Match, MatchKind};
use crate::source::{Sources, Span};

/// `text [owner X, ticket Y]`, cut at what the kernel keeps; `None` when nothing is said.
pub(super) fn comment(remarks: Remarks, sources: &Sources) -> Option<Match> {
    let said = |word: &str, span: Option<Span>| {
        span.map(|span| format!("{word} {}", unquote(sources.text(span))))
    };
    let who: Vec<String> =
        said("owner", remarks.owner).into_iter().chain(said("ticket", remarks.ticket)).collect();
    let who = (!who.is_empty()).then(|| format!("[{}]", who.join(", ")));
    let text = remarks.comment.map(|span| unquote(sources.text(span)));
    let parts: Vec<String> = text.into_iter().chain(who).collect();
    let mut comment = parts.join(" ");
    if comment.is_empty() {
        return None;
    }
    // Never more than resolve lets through; the kernel itself would cut without a word.
    comment.truncate(comment.floor_char_boundary(MAX_COMMENT));
    Some(MatchKind::Comment(comment.into()).into())
}

/// The text of a string token: without its quotes, `\"` and `\\` as what they stand for.
fn unquote(token: &str) -> String {
    let inner = token.strip_prefix('"').unwrap_or(token);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            text.push(c);
        }
    }
    text
}
