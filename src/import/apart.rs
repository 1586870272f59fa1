//! Chains that the dump does not have: for raw rules, which stand behind all others in a chain, and for
//! statements that are not about packets which nothing in the language excludes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::net::{Families, Family, Interface};
use crate::ruleset::TableName;
use crate::source::Span;

use super::draft::Drafting;
use super::merge::{Piece, RawRule, Says};
use super::statement::{Log, Statement, Verb};
use super::write::Place;

/// What stands in chains of its own.
#[derive(Default)]
pub(super) struct Apart {
    /// How often raw rules stand in chains of the filter.
    common: BTreeMap<Words, usize>,
    /// Rows of raw rules that stand in several.
    shared: BTreeMap<Vec<Words>, Shared>,
    /// What is said of packets but some, and the chain that says it.
    // Only looked up in.
    but: HashMap<Statement, Arc<str>>,
    /// Chains to be written.
    made: Vec<Made>,
}

type Words = (Family, String);

struct Shared {
    lines: Vec<Span>,
    /// Once a chain is made of it.
    name: Option<Arc<str>>,
}

/// A chain that the dump does not have.
struct Made {
    name: Arc<str>,
    says: Contents,
}

enum Contents {
    Raws(Vec<Piece>),
    /// The last is what it is for; before it is who leaves.
    Statements(Vec<Statement>, Families, Vec<Span>),
}

impl Drafting<'_> {
    /// Finds the rows of raw rules that stand in several chains.
    pub(super) fn find_shared<'p>(&mut self, lists: impl Iterator<Item = &'p [Piece]> + Clone) {
        if !self.choices.shares {
            return;
        }
        for piece in lists.clone().flatten().filter(|piece| is_common(piece)) {
            *self.apart.common.entry(words(piece)).or_default() += 1;
        }
        let mut rows: BTreeMap<Vec<Words>, Vec<Vec<Span>>> = BTreeMap::new();
        for list in lists {
            let row = |pieces: &&[Piece]| self.is_often(&pieces[0]);
            let found = list.chunk_by(|a, b| self.is_often(a) == self.is_often(b)).filter(row);
            for row in found {
                let lines = row.iter().flat_map(|piece| piece.lines.iter().copied()).collect();
                rows.entry(row.iter().map(words).collect()).or_default().push(lines);
            }
        }
        // A chain and its jumps are to be shorter than what they stand for.
        rows.retain(|row, places| places.len() > 2 || places.len() == 2 && row.len() > 1);
        let shared = rows.into_iter().map(|(row, places)| {
            (row, Shared { lines: places.into_iter().flatten().collect(), name: None })
        });
        self.apart.shared = shared.collect();
    }

    fn is_often(&self, piece: &Piece) -> bool {
        is_common(piece) && self.apart.common.get(&words(piece)).is_some_and(|count| *count > 1)
    }

    /// What stands in a chain, with jumps to what has chains of its own. In a chain of the kernel
    /// (without a name) raw rules stand in their place; in others only at the end.
    pub(super) fn apart(&mut self, chain: Option<&str>, pieces: &[Piece]) -> Vec<Piece> {
        let mut all: Vec<Piece> = Vec::with_capacity(pieces.len());
        let rows: Vec<Vec<Piece>> = pieces
            .chunk_by(|a, b| self.is_often(a) == self.is_often(b))
            .map(<[Piece]>::to_vec)
            .collect();
        for row in rows {
            match self.shared(&row) {
                Some(name) => all.push(jump(&name, &row)),
                None => all.extend(row.into_iter().map(|piece| self.but(piece))),
            }
        }
        let Some(chain) = chain else { return all };
        let is_words = |piece: &Piece| matches!(piece.says, Says::Words(_));
        let end = all.iter().rposition(is_words).map_or(0, |last| last + 1);
        let end = all.split_off(end);
        let rows: Vec<Vec<Piece>> =
            all.chunk_by(|a, b| is_movable(a) == is_movable(b)).map(<[Piece]>::to_vec).collect();
        let mut whole: Vec<Piece> = Vec::with_capacity(all.len());
        for row in rows {
            if is_movable(&row[0]) {
                let name = self.another(&format!("{chain}-{}", what(&row[0])));
                whole.push(jump(&name, &row));
                self.apart.made.push(Made { name, says: Contents::Raws(row) });
            } else {
                whole.extend(row);
            }
        }
        whole.extend(end);
        whole
    }

    /// The chain of raw rules that others have too.
    fn shared(&mut self, row: &[Piece]) -> Option<Arc<str>> {
        let key: Vec<Words> = row.iter().filter(|piece| is_common(piece)).map(words).collect();
        let Shared { name, lines } = self.apart.shared.get(&key)?;
        if let Some(name) = name {
            return Some(Arc::clone(name));
        }
        let lines = lines.clone();
        let stem = format!("{}-{}", module(&row[0]), what(&row[0]));
        let name = self.another(&stem);
        let raws = row.iter().flat_map(|piece| piece.raws.iter().cloned()).collect();
        let says = Contents::Raws(vec![Piece::raw(raws, lines)]);
        self.apart.made.push(Made { name: Arc::clone(&name), says });
        if let Some(shared) = self.apart.shared.get_mut(&key) {
            shared.name = Some(Arc::clone(&name));
        }
        Some(name)
    }

    /// A statement that is not about some packets, as a jump to where these leave.
    fn but(&mut self, piece: Piece) -> Piece {
        let said = match &piece.says {
            Says::Words(said) if !said.unless.is_empty() => said.clone(),
            Says::Words(_) | Says::Raw | Says::Dead => return piece,
        };
        let inner = Statement {
            limits: said.limits.clone(),
            log: said.log.clone(),
            unless: said.unless.clone(),
            ..Statement::new(said.verb.clone())
        };
        let is_limited = |log: &Log| log.rate.is_some();
        let counts = !inner.limits.is_empty()
            || inner.log.as_ref().is_some_and(is_limited)
            || matches!(&inner.verb, Verb::Log(log) if is_limited(log));
        let known = self.apart.but.get(&inner).filter(|_| !counts);
        let name = match known {
            Some(name) => Arc::clone(name),
            None => self.chain_but(inner, &piece),
        };
        let outer = Statement {
            verb: Verb::Jump(name),
            limits: Vec::new(),
            log: None,
            unless: Vec::new(),
            ..*said
        };
        Piece { says: Says::Words(Box::new(outer)), ..piece }
    }

    fn chain_but(&mut self, inner: Statement, piece: &Piece) -> Arc<str> {
        let name = self.another(&left_out(&inner.unless));
        self.apart.but.entry(inner.clone()).or_insert_with(|| Arc::clone(&name));
        let unless = inner.unless.clone();
        let last = Statement { unless: Vec::new(), ..inner };
        let statements = unless.into_iter().chain([last]).collect();
        let says = Contents::Statements(statements, piece.families, piece.lines.clone());
        self.apart.made.push(Made { name: Arc::clone(&name), says });
        name
    }

    /// A name like this that no chain has.
    fn another(&mut self, stem: &str) -> Arc<str> {
        let fits = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' };
        let stem: String = stem.chars().map(fits).collect();
        self.taken.free(stem.trim_matches(['-', '.', '_'])).into()
    }

    /// The chains that were made since this was asked last.
    pub(super) fn made_chains(&mut self) {
        for Made { name, says } in std::mem::take(&mut self.apart.made) {
            match says {
                Contents::Raws(pieces) => {
                    self.line(&format!("chain {name} {{ }}"));
                    for mut piece in pieces {
                        for raw in &mut piece.raws {
                            raw.at = (TableName::Filter, Arc::clone(&name));
                        }
                        self.put(&piece, Place::Chain, Families::BOTH, "");
                    }
                }
                Contents::Statements(statements, families, lines) => {
                    self.line(&format!("chain {name} {{"));
                    for statement in statements {
                        let piece = Piece::made(statement, families, lines.clone());
                        self.put(&piece, Place::Chain, families, "    ");
                    }
                    self.line("}");
                }
            }
            self.line("");
        }
    }
}

/// A jump to what a row of raw rules says.
fn jump(name: &Arc<str>, row: &[Piece]) -> Piece {
    let families = row.iter().fold(Families::NONE, |all, piece| all.union(piece.families));
    let lines = row.iter().flat_map(|piece| piece.lines.iter().copied()).collect();
    Piece::made(Statement::new(Verb::Jump(Arc::clone(name))), families, lines)
}

/// A raw rule that means the same in another chain that packets come back from.
fn is_movable(piece: &Piece) -> bool {
    piece.says == Says::Raw && piece.raws.iter().all(|raw| !raw.leaves)
}

/// One that means the same where others have it too.
fn is_common(piece: &Piece) -> bool {
    let is_plain = |raw: &RawRule| !raw.counts && raw.expect.is_empty();
    is_movable(piece) && matches!(&piece.raws[..], [raw] if is_plain(raw))
}

fn words(piece: &Piece) -> Words {
    let raw: Option<&RawRule> = piece.raws.first();
    raw.map_or((Family::V4, String::new()), |raw| (raw.family, raw.text.clone()))
}

/// What a raw rule asks first that has a module, for a name.
fn module(piece: &Piece) -> String {
    let (_, text) = words(piece);
    let mut words = text.split(' ').skip_while(|word| *word != "-m").skip(1);
    words.next().unwrap_or("raw").to_owned()
}

/// What a raw rule does, for a name.
fn what(piece: &Piece) -> String {
    let (_, text) = words(piece);
    let mut words = text.split(' ').skip_while(|word| *word != "-j").skip(1);
    match words.next().unwrap_or("raw") {
        "ACCEPT" => "allow".to_owned(),
        target if target.chars().all(|c| c.is_ascii_uppercase()) => target.to_ascii_lowercase(),
        chain => chain.to_owned(),
    }
}

/// Who is left out, for a name.
fn left_out(unless: &[Statement]) -> String {
    let Some(first) = unless.first() else { return "but".to_owned() };
    let names = |interfaces: &[Interface]| {
        interfaces.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
    };
    match (&first.incoming[..], &first.outgoing[..], &first.clauses[..]) {
        ([], [], [clause, ..]) => {
            let words: Vec<&str> =
                clause.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            match words[..] {
                ["flags", "syn", "/", ..] => "not-syn".to_owned(),
                [word, ..] => format!("not-{word}"),
                [] => "but".to_owned(),
            }
        }
        ([], [], []) => "but".to_owned(),
        ([], outgoing, _) => format!("not-to-{}", names(outgoing)),
        (incoming, _, _) => format!("not-from-{}", names(incoming)),
    }
}
