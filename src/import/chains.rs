//! The chains of a table that are not the kernel's.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::net::{Families, Family};
use crate::ruleset::TableName;

use super::draft::Drafting;
use super::merge::{self, Piece, RawRule, Says};
use super::write::Place;

/// A chain before it is written.
pub(super) struct UserChain {
    pub name: Arc<str>,
    /// Who has it.
    pub families: Families,
    pub pieces: Vec<Piece>,
}

impl Drafting<'_> {
    /// The chains of a table that are used, in the order in which they are declared.
    pub(super) fn chains_of(&mut self, table: TableName) -> Vec<UserChain> {
        let mut order: Vec<(Arc<str>, Families)> = Vec::new();
        let mut known: BTreeSet<Arc<str>> = BTreeSet::new();
        for side in &self.sides {
            let own = Families::only(side.ruleset.family);
            for (_, name) in side.used.iter().filter(|(of, _)| *of == table) {
                if known.insert(Arc::clone(name)) {
                    order.push((Arc::clone(name), own));
                } else if let Some((_, families)) = order.iter_mut().find(|(old, _)| old == name) {
                    *families = Families::BOTH;
                }
            }
        }
        let chain = |(name, families): (Arc<str>, Families)| {
            let pieces = merge::settled(merge::logged(self.chain(table, &name)));
            UserChain { pieces: merge::lists(pieces), name, families }
        };
        order.into_iter().map(chain).collect()
    }

    pub(super) fn chains(&mut self, table: TableName, chains: Vec<UserChain>) {
        self.made_chains();
        for UserChain { name, families, mut pieces } in chains {
            let called: Arc<str> = self.writer.called(table, &name).into();
            if table == TableName::Filter {
                if !self.choices.splits {
                    pieces = in_one_chain(pieces);
                }
                pieces = self.apart(Some(&called), &pieces);
            } else if pieces.is_empty() {
                // The table of a chain is that of its rules.
                pieces.extend(nothing((table, Arc::clone(&called)), families));
            }
            self.user_chain((table, called), pieces, families);
            self.line("");
            self.made_chains();
        }
    }

    /// A chain. Raw rules stand behind those in braces; what comes behind them in the dump is in a chain
    /// of its own that they go to.
    fn user_chain(
        &mut self,
        (table, name): (TableName, Arc<str>),
        mut pieces: Vec<Piece>,
        families: Families,
    ) {
        let mut part = Arc::clone(&name);
        for number in 2.. {
            let Segment { words, raws, rest } = Segment::first(pieces);
            let brace = if words.is_empty() { " }" } else { "" };
            self.line(&format!("chain {part} {{{brace}"));
            for piece in &words {
                self.put(piece, Place::Chain, families, "    ");
            }
            if !words.is_empty() {
                self.line("}");
            }
            let is_one = matches!(&rest[..], [piece] if piece.raws.len() == 1);
            let (tail, rest) = if is_one { (rest, Vec::new()) } else { (Vec::new(), rest) };
            for mut piece in raws.into_iter().chain(tail) {
                for raw in &mut piece.raws {
                    raw.at = (table, Arc::clone(&part));
                }
                // A last rule needs no chain of its own.
                piece.says = in_raw_words(&piece.says);
                self.put(&piece, Place::Chain, families, "");
            }
            if rest.is_empty() {
                return;
            }
            let next = self.taken.free(&format!("{name}-{number}"));
            let goes_on =
                |family: &Family| rest.iter().any(|piece| piece.families.contains(*family));
            for family in Family::BOTH.into_iter().filter(goes_on) {
                let at = (table, Arc::clone(&part));
                let raw = RawRule::of_all(family, at, &format!("-g {next}"));
                self.put(&Piece::raw(vec![raw], Vec::new()), Place::Chain, families, "");
            }
            (part, pieces) = (next.into(), rest);
        }
    }
}

/// A rule that does nothing at the end of a chain, of one family.
fn nothing(at: (TableName, Arc<str>), families: Families) -> Option<Piece> {
    let family = Family::BOTH.into_iter().find(|family| families.contains(*family))?;
    Some(Piece::raw(vec![RawRule::of_all(family, at, "-j RETURN")], Vec::new()))
}

/// The same rules for one chain of the policy: behind a raw one that leaves it all are raw.
fn in_one_chain(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let mut behind = Families::NONE;
    for piece in &mut pieces {
        let is_behind = !behind.intersection(piece.families).is_empty();
        if is_behind {
            piece.says = in_raw_words(&piece.says);
        }
        if is_behind || piece.says == Says::Raw && piece.raws.iter().any(|raw| raw.leaves) {
            behind = behind.union(piece.families);
        }
    }
    pieces
}

/// What a rule says in the words of iptables.
fn in_raw_words(says: &Says) -> Says {
    match says {
        Says::Dead => Says::Dead,
        Says::Words(_) | Says::Raw => Says::Raw,
    }
}

/// The part of a chain that stands in one chain of the policy: of each family its rules up to the first
/// that must stand behind raw ones.
#[derive(Default)]
struct Segment {
    words: Vec<Piece>,
    raws: Vec<Piece>,
    rest: Vec<Piece>,
}

impl Segment {
    fn first(pieces: Vec<Piece>) -> Self {
        let mut segment = Segment::default();
        let mut behind_raw = Families::NONE;
        let mut left = Families::NONE;
        for piece in pieces {
            let meets = |families: Families| !families.intersection(piece.families).is_empty();
            let is_raw = !matches!(piece.says, Says::Words(_));
            let own = piece.families;
            if meets(left) || (!is_raw && meets(behind_raw)) {
                left = left.union(own);
                segment.rest.push(piece);
            } else if is_raw {
                behind_raw = behind_raw.union(own);
                segment.raws.push(piece);
            } else {
                segment.words.push(piece);
            }
        }
        segment
    }
}
