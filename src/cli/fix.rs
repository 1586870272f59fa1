//! `palisade check --fix`: the edits of findings, as far as they are proved to change no packet's way.
//!
//! All edits that go together are made in one round, also those of findings beyond the many that are told.
//! After them the text as it is then is read anew, from memory, and its meaning has to be what is left of
//! the meaning before; else fewer of them are tried, down to each alone. What is left is found anew: of
//! two rules that are each spare because of the other, one stays. Nothing is written before all is done,
//! and nothing where a file was changed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::failure::Failure;
use super::front::Checked;
use super::loader::read_text;
use super::output::{self, Output};
use super::pipeline::{EditedText, Removal};
use super::terminal::Terminal;
use crate::diagnostic::{Edit, Finding, catalogue};
use crate::source::{FileId, MAX_BYTES, Span};

/// Rules that are read anew, after all edits that are tried, before the rest is left to another run.
const MAX_READ: usize = 1_000_000;

/// A policy whose findings are being mended.
pub(super) struct Fixing {
    policy: Checked,
    /// The files on disk as they were read.
    read: BTreeMap<FileId, (PathBuf, Arc<str>)>,
    /// Files that may not be edited.
    kept: BTreeSet<FileId>,
    /// Findings whose edits were not proved, where they stand now.
    refused: BTreeSet<(&'static str, Span)>,
    /// How many rules were read anew so far.
    reread: usize,
    /// How many findings were mended by edits of each file.
    fixed: BTreeMap<FileId, usize>,
}

impl Fixing {
    /// `shared` are the files (canonical paths) that other policies of this run have, too: what changes
    /// nothing in one may change another.
    pub(super) fn of(policy: Checked, shared: &BTreeSet<PathBuf>) -> Self {
        let mut read = BTreeMap::new();
        let mut kept = BTreeSet::new();
        for (id, file) in policy.sources.files() {
            let path = policy.on_disk(id);
            let is_shared = |path: &PathBuf| match path.canonicalize() {
                Ok(path) => shared.contains(&path),
                Err(_) => true,
            };
            // A text that goes on in a pipe may get lost; what others have must not rest on it.
            let is_root = policy.files.first() == Some(&id);
            if path.as_ref().is_some_and(is_shared) || (policy.root.is_none() && !is_root) {
                kept.insert(id);
            }
            read.extend(path.map(|path| (id, (path, Arc::clone(file.text())))));
        }
        let (refused, fixed) = (BTreeSet::new(), BTreeMap::new());
        Fixing { policy, read, kept, refused, reread: 0, fixed }
    }

    /// Mends what can be mended.
    pub(super) fn run(&mut self) {
        while self.policy.is_whole && self.reread < MAX_READ && self.round() {}
    }

    /// One round of edits that go together; whether there was something to try.
    fn round(&mut self) -> bool {
        let fixable: Vec<&Finding> = found(&self.policy).filter(|one| self.is_open(one)).collect();
        // What changes nothing because of later rules waits: those are to be as they stay.
        let is_spare = |finding: &&Finding| *finding.lint == catalogue::REDUNDANT_RULE;
        let (spare, others): (Vec<&Finding>, Vec<&Finding>) =
            fixable.into_iter().partition(is_spare);
        let round = apart(if others.is_empty() { spare } else { others });
        let Some(before) = self.policy.meaning().filter(|_| !round.is_empty()) else {
            return false;
        };
        let removal = Removal::of(&before);
        let edits: Vec<&[Edit]> = round.iter().map(|finding| edits_of(finding)).collect();
        let together = removal.together(&edits);
        let goes = round.iter().zip(together).filter(|(_, goes)| *goes);
        let mut chosen: Vec<&Finding> = goes.map(|(finding, _)| *finding).collect();
        let mut reread = self.policy.rules;
        let mut next = self.mended(&removal, &chosen);
        while next.is_none() && chosen.len() > 1 {
            chosen.truncate(chosen.len() / 2);
            reread += self.policy.rules;
            next = self.mended(&removal, &chosen);
        }
        let place = |finding: &Finding| Some((finding.lint.name, finding.span?));
        match next {
            Some(next) => {
                let edits: Vec<Edit> =
                    chosen.iter().flat_map(|finding| edits_of(finding)).cloned().collect();
                let files = chosen.iter().filter_map(|finding| edits_of(finding).first());
                let files: Vec<FileId> = files.map(|edit| edit.span.file()).collect();
                self.accept(next, &edits, &files);
            }
            None => {
                // Not even the first one alone; or none of them is known to go.
                let hopeless = if chosen.is_empty() { &round } else { &chosen };
                let hopeless: Vec<_> = hopeless.iter().filter_map(|one| place(one)).collect();
                self.refused.extend(hopeless);
            }
        }
        self.reread += reread;
        true
    }

    /// Whether a finding has edits that may be tried.
    fn is_open(&self, finding: &Finding) -> bool {
        let edits = edits_of(finding);
        let is_refused = |span: Span| self.refused.contains(&(finding.lint.name, span));
        !edits.is_empty()
            && edits.iter().all(|edit| !self.kept.contains(&edit.span.file()))
            && finding.span.is_some_and(|span| !is_refused(span))
    }

    /// The policy after the edits of some findings, if that is proved to be the same to all packets.
    fn mended(&self, removal: &Removal<'_>, findings: &[&Finding]) -> Option<Checked> {
        if findings.is_empty() {
            return None;
        }
        let edits: Vec<Edit> = findings.iter().flat_map(|one| edits_of(one)).cloned().collect();
        self.policy.with_texts(&self.edited(&edits), |after| removal.leaves(after, &edits))
    }

    /// The texts that edits change, as they are then.
    fn edited(&self, edits: &[Edit]) -> BTreeMap<FileId, Arc<str>> {
        let mut by_file: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
        for edit in edits {
            by_file.entry(edit.span.file()).or_default().push(edit);
        }
        let texts = by_file.into_iter().map(|(id, mut edits)| {
            edits.sort_by_key(|edit| edit.span);
            let old = self.policy.sources.file(id).text();
            let (mut new, mut at) = (String::with_capacity(old.len()), 0);
            for edit in edits {
                new.push_str(&old[at..edit.span.start()]);
                new.push_str(&edit.replacement);
                at = edit.span.end();
            }
            new.push_str(&old[at..]);
            (id, new.into())
        });
        texts.collect()
    }

    fn accept(&mut self, next: Checked, edits: &[Edit], files: &[FileId]) {
        let text = EditedText::of(edits);
        let refused = std::mem::take(&mut self.refused).into_iter();
        self.refused = refused.map(|(lint, span)| (lint, text.moved(span))).collect();
        for file in files {
            *self.fixed.entry(*file).or_default() += 1;
        }
        self.policy = next;
    }

    /// Writes the files that were edited, tells which, and gives the policy as it is now. The text of
    /// standard input goes to standard output, edited or not.
    pub(super) fn finish(self, terminal: &Terminal) -> Result<Checked, Failure> {
        self.check_unchanged()?;
        let text = |id: FileId| self.policy.sources.file(id).text();
        let outputs = self.fixed.keys().filter_map(|id| {
            let (path, _) = self.read.get(id)?;
            Some(Output { path: path.clone(), text: text(*id).to_string(), executable: false })
        });
        output::write_all(&outputs.collect::<Vec<_>>(), &[], &self.policy.within)?;
        for (id, count) in &self.fixed {
            let name = self.policy.names.name(self.policy.sources.file(*id));
            let findings = if *count == 1 { "finding" } else { "findings" };
            terminal.tell_line(&format!("fixed {count} {findings} in {name}"));
        }
        self.tell_left(terminal);
        if let (None, Some(root)) = (&self.policy.root, self.policy.files.first()) {
            terminal.print(text(*root))?;
        }
        Ok(self.policy)
    }

    /// Whether the files are still what was proved.
    fn check_unchanged(&self) -> Result<(), Failure> {
        if self.fixed.is_empty() {
            return Ok(());
        }
        for (path, text) in self.read.values() {
            if read_text(path, MAX_BYTES).ok().as_ref() != Some(text) {
                let failure = Failure::new(format!("{} was changed meanwhile", path.display()));
                return Err(failure.help("nothing is written; run it again"));
            }
        }
        Ok(())
    }

    /// Says why findings that have edits are still there.
    fn tell_left(&self, terminal: &Terminal) {
        let policy = &self.policy;
        let left = found(policy).filter(|finding| !edits_of(finding).is_empty());
        if !policy.is_whole && left.clone().next().is_some() {
            let title = &policy.title;
            terminal.tell_line(&format!("nothing is fixed in {title} while it has other errors"));
            return;
        }
        let mut told = BTreeSet::new();
        for finding in left {
            let Some(span) = finding.span else { continue };
            let file = policy.sources.file(span.file());
            let name = policy.names.name(file);
            let is_kept =
                edits_of(finding).iter().any(|edit| self.kept.contains(&edit.span.file()));
            let why = if is_kept {
                format!("{name} is not edited: it is not a part of this policy alone")
            } else if self.refused.contains(&(finding.lint.name, span)) {
                let (line, lint) = (policy.sources.line(span), finding.lint.name);
                format!("{name}:{line}: {lint} is not fixed: it is not proved that nothing changes")
            } else {
                format!("there is more to fix in {name}: run it again")
            };
            if told.insert(why.clone()) {
                terminal.tell_line(&why);
            }
        }
    }
}

/// The files that more than one of some policies have (canonical paths).
pub(super) fn shared(policies: &[Checked]) -> BTreeSet<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut shared = BTreeSet::new();
    for policy in policies {
        let own: BTreeSet<PathBuf> = policy.inputs().map(PathBuf::from).collect();
        shared.extend(own.intersection(&seen).cloned());
        seen.extend(own);
    }
    shared
}

/// Whether something of a policy may be mended.
pub(super) fn is_open(policy: &Checked) -> bool {
    policy.is_whole && found(policy).any(|finding| !edits_of(finding).is_empty())
}

/// How many of some findings have edits.
pub(super) fn fixable(policy: &Checked) -> usize {
    let findings = policy.findings.iter().filter(|_| policy.is_whole);
    findings.filter(|finding| !edits_of(finding).is_empty()).count()
}

/// All findings, told or not.
fn found(policy: &Checked) -> impl Iterator<Item = &Finding> + Clone {
    policy.findings.iter().chain(&policy.untold)
}

fn edits_of(finding: &Finding) -> &[Edit] {
    finding.fix.as_ref().map_or(&[], |fix| &fix.edits)
}

/// Findings of which no two edit the same text: those that delete most come first.
fn apart(mut findings: Vec<&Finding>) -> Vec<&Finding> {
    let deleted = |finding: &Finding| {
        let edits = edits_of(finding).iter();
        edits.map(|edit| edit.span.range().len()).sum::<usize>()
    };
    let first = |finding: &Finding| edits_of(finding).first().map(|edit| edit.span);
    findings.sort_by_key(|finding| (std::cmp::Reverse(deleted(finding)), first(finding)));
    let mut taken: BTreeMap<(FileId, usize), usize> = BTreeMap::new();
    let mut is_free = |finding: &&Finding| {
        let spans = || edits_of(finding).iter().map(|edit| edit.span);
        let is_taken = spans().any(|span| {
            let before = taken.range(..(span.file(), span.end())).next_back();
            before.is_some_and(|((file, _), end)| *file == span.file() && *end > span.start())
        });
        if !is_taken {
            taken.extend(spans().map(|span| ((span.file(), span.start()), span.end())));
        }
        !is_taken
    };
    let mut apart: Vec<&Finding> = findings.into_iter().filter(|one| is_free(one)).collect();
    apart.sort_by_key(|finding| first(finding));
    apart
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::ColorChoice;

    use super::super::front::{Depth, Reading};
    use super::super::terms::Terms;
    use super::*;

    const SPARE: &str = "allow ssh\nallow tcp 22\n";

    fn fixing(path: &std::path::Path) -> Fixing {
        let mut policy = Reading::to(Depth::Rules, &Terms::default()).path(path).unwrap();
        policy.judge();
        let mut fixing = Fixing::of(policy, &BTreeSet::new());
        fixing.run();
        fixing
    }

    #[test]
    fn a_file_that_was_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let terminal = Terminal::new(ColorChoice::Never);
        for changed in ["web.fw", "part.fw"] {
            fs::write(at("web.fw"), format!("include \"part.fw\"\n{SPARE}")).unwrap();
            fs::write(at("part.fw"), "allow dns\n").unwrap();
            let fixing = fixing(&at("web.fw"));
            let text = fs::read_to_string(at(changed)).unwrap() + "allow http\n";
            fs::write(at(changed), text).unwrap();
            let before = fs::read_to_string(at("web.fw")).unwrap();
            let failure = fixing.finish(&terminal).err().unwrap();
            assert!(failure.message.ends_with(&format!("{changed} was changed meanwhile")));
            assert_eq!(fs::read_to_string(at("web.fw")).unwrap(), before);
        }
    }

    #[test]
    fn what_goes_together_goes_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.fw");
        let nested: Vec<String> =
            (0..30).map(|low| format!("drop tcp {}-40\n", 30 - low)).collect();
        let nested = nested.concat();
        fs::write(&path, format!("{nested}drop tcp any\nallow udp any\n")).unwrap();
        let fixing = fixing(&path);
        assert_eq!((fixing.policy.rules, fixing.reread), (2, 32));
    }

    #[test]
    fn edits_of_one_place_are_not_made_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.fw");
        fs::write(&path, "allow ssh\nallow tcp 22 from 10.0.0.5/8; allow tcp 22; drop tcp 23\n")
            .unwrap();
        let policy = Reading::to(Depth::Rules, &Terms::default()).path(&path).unwrap();
        let findings: Vec<&Finding> = policy.findings.iter().collect();
        assert_eq!(findings.iter().filter(|one| !edits_of(one).is_empty()).count(), 3);
        let text = |finding: &Finding| policy.sources.text(edits_of(finding)[0].span);
        let apart: Vec<&str> = apart(findings).into_iter().map(text).collect();
        assert_eq!(apart, ["allow tcp 22 from 10.0.0.5/8; ", "allow tcp 22; "]);
    }
}
