//! What chains do at their end, and with what they begin: defaults and implicit rules.

use crate::net::Family;
use crate::resolve::policy::RejectWith;
use crate::ruleset::ChainPolicy;
use crate::source::Span;

use super::draft::{Body, Drafting};
use super::implicit::Kind;
use super::merge::{Piece, Says};
use super::side::Side;
use super::statement::{Log, Statement, Verb};
use super::write::Place;

/// What the end of a chain does.
pub(super) struct Ending {
    pub verdict: Verb,
    pub log: Option<Log>,
    pub lines: Vec<Span>,
    /// The family for which it is not the default; there a rule at the end accepts.
    pub open: Option<Family>,
}

impl Drafting<'_> {
    /// What a chain of the kernel does at its end. What the rules say there of all packets is taken
    /// from them.
    pub(super) fn ending(&mut self, chain: &str, pieces: &mut Vec<Piece>) -> Ending {
        let policy = |side: &Side<'_>| {
            side.filter(chain).and_then(|chain| chain.policy).unwrap_or(ChainPolicy::Accept)
        };
        let policies: Vec<(Family, ChainPolicy)> =
            self.sides.iter().map(|side| (side.ruleset.family, policy(side))).collect();
        let drops = policies.iter().any(|(_, policy)| *policy == ChainPolicy::Drop);
        let open = policies.iter().find(|(_, policy)| *policy == ChainPolicy::Accept);
        let verdict = if drops { Verb::Drop } else { Verb::Allow };
        let open = open.filter(|_| drops).map(|(family, _)| *family);
        let mut ending = Ending { verdict, log: None, lines: Vec::new(), open };
        let given = self.given;
        let takes = |piece: &Piece| match &piece.says {
            Says::Words(said)
                if !piece.plain
                    && piece.families == given
                    && said.is_about_all()
                    && said.comment.is_none() =>
            {
                Some(said.verb.clone())
            }
            Says::Words(_) | Says::Raw | Says::Dead => None,
        };
        match pieces.last().and_then(takes) {
            Some(verdict @ (Verb::Allow | Verb::Drop)) => ending.verdict = verdict,
            Some(Verb::Reject(with)) if with != RejectWith::TcpReset => {
                ending.verdict = Verb::Reject(with);
            }
            _ => {
                if open.is_none() {
                    self.log_at_end(pieces, &mut ending, takes);
                }
                return ending;
            }
        }
        ending.open = None;
        self.counts.implicit += pieces.last().map_or(0, |piece| piece.lines.len());
        ending.lines.extend(pieces.pop().into_iter().flat_map(|piece| piece.lines));
        self.log_at_end(pieces, &mut ending, takes);
        ending
    }

    fn log_at_end(
        &mut self,
        pieces: &mut Vec<Piece>,
        ending: &mut Ending,
        takes: impl Fn(&Piece) -> Option<Verb>,
    ) {
        if let Some(Verb::Log(log)) = pieces.last().and_then(takes) {
            ending.log = Some(log);
            self.counts.implicit += pieces.last().map_or(0, |piece| piece.lines.len());
            ending.lines.extend(pieces.pop().into_iter().flat_map(|piece| piece.lines));
        }
    }

    pub(super) fn defaults(&mut self, bodies: &[Body]) {
        let mut written = false;
        for Body { word, place, ending, .. } in bodies {
            let built_in = if *place == Place::Output { Verb::Allow } else { Verb::Drop };
            if ending.verdict == built_in && ending.log.is_none() {
                continue;
            }
            let mut statement = Statement::new(ending.verdict.clone());
            statement.log.clone_from(&ending.log);
            let start = self.writer.text.len();
            let line = self.writer.default(&statement, word);
            self.line(&line);
            let end = start + line.len();
            self.writer.places.push((start..end, ending.lines.clone()));
            written = true;
        }
        if written && self.choices.implicit.0.len() == Kind::ALL.len() {
            self.line("");
        }
    }

    pub(super) fn implicit(&mut self) {
        let implicit = &self.choices.implicit.0;
        if implicit.len() == Kind::ALL.len() {
            return;
        }
        let names: Vec<&str> = implicit.iter().map(|kind| kind.name()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        self.line(&format!("implicit {names}"));
        self.line("");
    }
}
