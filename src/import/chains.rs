//! The chains of a table that are not the kernel's.

use std::collections::BTreeMap;
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
        let mut known: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for side in &self.sides {
            let own = Families::only(side.ruleset.family);
            for (_, name) in side.used.iter().filter(|(of, _)| *of == table) {
                let place = *known.entry(Arc::clone(name)).or_insert(order.len());
                match order.get_mut(place) {
                    Some((_, families)) => *families = families.union(own),
                    None => order.push((Arc::clone(name), own)),
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
            } else if pieces.iter().all(|piece| piece.says == Says::Dead) {
                // The table of a chain is that of its rules, and remarks are none.
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
        pieces: Vec<Piece>,
        families: Families,
    ) {
        let mut part = Arc::clone(&name);
        let mut segments = segments(pieces).into_iter().peekable();
        for number in 2.. {
            let Some(Segment { words, mut raws, goes_on }) = segments.next() else { return };
            let brace = if words.is_empty() { " }" } else { "" };
            self.line(&format!("chain {part} {{{brace}"));
            for piece in &words {
                self.put(piece, Place::Chain, families, "    ");
            }
            if !words.is_empty() {
                self.line("}");
            }
            // A last rule needs no chain of its own.
            if let Some(last) = segments.next_if(Segment::is_a_last_rule) {
                raws.extend(last.words.into_iter().chain(last.raws));
            }
            for mut piece in raws {
                for raw in &mut piece.raws {
                    raw.at = (table, Arc::clone(&part));
                }
                piece.says = in_raw_words(&piece.says);
                self.put(&piece, Place::Chain, families, "");
            }
            if segments.peek().is_none() {
                return;
            }
            let next = self.taken.free(&format!("{name}-{number}"));
            for family in Family::BOTH.into_iter().filter(|family| goes_on.contains(*family)) {
                let at = (table, Arc::clone(&part));
                let raw = RawRule::of_all(family, at, &format!("-g {next}"));
                self.put(&Piece::raw(vec![raw], Vec::new()), Place::Chain, families, "");
            }
            part = next.into();
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

/// The part of a chain that stands in one chain of the policy: raw rules behind all others.
struct Segment {
    words: Vec<Piece>,
    raws: Vec<Piece>,
    /// Who has rules in later ones.
    goes_on: Families,
}

impl Segment {
    const EMPTY: Segment = Segment { words: Vec::new(), raws: Vec::new(), goes_on: Families::NONE };

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.words.iter().chain(&self.raws)
    }

    /// Whether, behind others, it is one rule that may stand in their chain.
    fn is_a_last_rule(&self) -> bool {
        let is_one = |piece: &Piece| piece.raws.len() == 1;
        self.goes_on == Families::NONE && self.pieces().count() == 1 && self.pieces().all(is_one)
    }
}

/// The parts of a chain, at least one: for each family the next begins with a rule in words that stands
/// behind a raw one.
fn segments(pieces: Vec<Piece>) -> Vec<Segment> {
    let mut segments = vec![Segment::EMPTY];
    // The part in which the last rule of each family is, and whether that is raw.
    let mut last = [(0, false); 2];
    for piece in pieces {
        let is_raw = !matches!(piece.says, Says::Words(_));
        let of = |family: &Family| usize::from(*family == Family::V6);
        let own = || Family::BOTH.iter().filter(|family| piece.families.contains(**family)).map(of);
        let (part, is_behind_raw) = own().map(|of| last[of]).max().unwrap_or_default();
        let part = part + usize::from(is_behind_raw && !is_raw);
        own().for_each(|of| last[of] = (part, is_raw));
        segments.resize_with(segments.len().max(part + 1), || Segment::EMPTY);
        let Segment { words, raws, .. } = &mut segments[part];
        if is_raw { raws.push(piece) } else { words.push(piece) }
    }
    let mut later = Families::NONE;
    for segment in segments.iter_mut().rev() {
        segment.goes_on = later;
        later = segment.pieces().fold(later, |all, piece| all.union(piece.families));
    }
    segments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::import::statement::{Statement, Verb};

    /// The places of the rules that stand in one part, and of the others, as the language says it: none in
    /// words behind a raw one of its family, and none behind one that does not stand there.
    fn first(kinds: &[(Families, bool)], places: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let (mut behind_raw, mut left) = (Families::NONE, Families::NONE);
        places.iter().partition(|place| {
            let (families, is_raw) = kinds[**place];
            let meets = |others: Families| !others.intersection(families).is_empty();
            let stays = !meets(left) && (is_raw || !meets(behind_raw));
            let all = if stays { &mut behind_raw } else { &mut left };
            *all = if stays && !is_raw { *all } else { all.union(families) };
            stays
        })
    }

    fn piece(place: usize, (families, is_raw): (Families, bool)) -> Piece {
        let piece = Piece::made(Statement::new(Verb::Allow), families, Vec::new());
        let raw = RawRule::of_all(Family::V4, (TableName::Filter, "c".into()), &place.to_string());
        Piece {
            says: if is_raw { Says::Raw } else { piece.says.clone() },
            raws: vec![raw],
            ..piece
        }
    }

    fn kinds() -> impl Strategy<Value = Vec<(Families, bool)>> {
        let families = [Families::BOTH, Families::only(Family::V4), Families::only(Family::V6)];
        proptest::collection::vec(
            (proptest::sample::select(families.to_vec()), any::<bool>()),
            0..12,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_part_has_what_may_stand_there(kinds in kinds()) {
            let pieces = kinds.iter().enumerate().map(|(place, kind)| piece(place, *kind)).collect();
            let mut rest: Vec<usize> = (0..kinds.len()).collect();
            for segment in segments(pieces) {
                let (own, later) = first(&kinds, &rest);
                let all = segment.pieces().map(|piece| piece.raws[0].text.parse().expect("a place"));
                let mut all: Vec<usize> = all.collect();
                prop_assert!(segment.words.iter().all(|piece| piece.says != Says::Raw));
                all.sort_unstable();
                prop_assert_eq!(all, own);
                let goes_on = later.iter().fold(Families::NONE, |all, place| all.union(kinds[*place].0));
                prop_assert_eq!(segment.goes_on, goes_on);
                rest = later;
            }
            prop_assert!(rest.is_empty());
        }
    }
}
