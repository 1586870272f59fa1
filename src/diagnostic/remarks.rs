//! What is said under a finding, in the order of every text for people: its packet, facts, what to do.

use super::{Edit, Finding, Fix};
use crate::source::Sources;

/// An edit longer than this, in bytes of either text, is not spelt out for people.
const SHORT: usize = 60;

/// `packet`, `note`, `help` or `fix`, each with its text.
pub(super) fn remarks(finding: &Finding, sources: &Sources) -> Vec<(&'static str, String)> {
    let packet = finding.witness.iter().map(|packet| ("packet", packet.to_string()));
    let notes = finding.notes.iter().map(|note| ("note", note.clone()));
    let help = finding.help.iter().map(|help| ("help", help.clone()));
    let fix = finding.fix.iter().map(|fix| ("fix", describe(fix, sources)));
    packet.chain(notes).chain(help).chain(fix).collect()
}

/// The title, with the edit itself where it is one short one.
fn describe(fix: &Fix, sources: &Sources) -> String {
    let [Edit { span, replacement }] = fix.edits.as_slice() else { return fix.title.clone() };
    let old = sources.text(*span);
    let fits = |text: &str| text.len() <= SHORT && !text.contains('\n');
    if !fits(old) || !fits(replacement) {
        return fix.title.clone();
    }
    match (old, replacement.as_str()) {
        ("", new) => format!("{}: add `{new}`", fix.title),
        (old, "") => format!("{}: delete `{old}`", fix.title),
        (old, new) => format!("{}: `{old}` → `{new}`", fix.title),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::catalogue;
    use crate::source::Span;

    #[test]
    fn an_edit_is_spelt_out_when_it_is_short() {
        let mut sources = Sources::new();
        let file = sources.add("a.fw", "allow ssh\nallow http\n");
        let said = |range: std::ops::Range<usize>, new: &str| {
            let span = Span::new(file, range);
            let finding = Finding::new(&catalogue::HOST_BITS, span, "m").fix("act", span, new);
            remarks(&finding, &sources)
        };
        let fix = |text: &str| vec![("fix", text.to_owned())];
        assert_eq!(said(6..9, "http"), fix("act: `ssh` → `http`"));
        assert_eq!(said(5..9, ""), fix("act: delete ` ssh`"));
        assert_eq!(said(9..9, " out"), fix("act: add ` out`"));
        assert_eq!(said(0..20, ""), fix("act"));
        assert_eq!(said(0..5, &"x".repeat(61)), fix("act"));
    }
}
