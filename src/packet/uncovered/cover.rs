//! Which of the rules that took a region are needed to take it.

use std::collections::BTreeSet;
use std::mem::take;

use super::super::index::{Among, Index, NATURE, Owner, rule_of};
use super::super::space::Point;
use super::{Cover, Member, Question, Search, Share, Verdict};

/// The cover that a search found, less what is not needed, with a packet for each that is.
///
/// Rules that took little are tried first, later ones before earlier ones, so that the rules that
/// stay are few, large and early.
pub(super) fn minimal(mut search: Search<'_>, question: &Question<'_>) -> Cover {
    let mut shares: Vec<(Owner, Share)> = take(&mut search.shares).into_iter().collect();
    if let [(owner, share)] = &shares[..]
        && search.index.is_packet(&share.point.0)
    {
        let alone = Some(share.point.clone());
        let members = rule_of(*owner).map(|rule| Member { rule, alone }).into_iter().collect();
        return Cover { members, is_minimal: true };
    }
    let entries = entries_of(&mut search, question, &shares);
    let index = search.index.only(&entries);
    let among = Search { index: &index, ..search };
    let mut dropper = Dropper { search: among, index: &index, question, dropped: BTreeSet::new() };
    shares.sort_by(|(a, x), (b, y)| x.points.total_cmp(&y.points).then(b.cmp(a)));
    let mut members = Vec::new();
    let mut is_minimal = true;
    for (owner, share) in shares {
        let Some(rule) = rule_of(owner) else { continue };
        match dropper.needed(owner, share.point) {
            Verdict::Uncovered(point) => members.push(Member { rule, alone: Some(point) }),
            Verdict::Covered => _ = dropper.dropped.insert(owner),
            Verdict::Incomplete => {
                is_minimal = false;
                members.push(Member { rule, alone: None });
            }
        }
    }
    members.sort_by_key(|member| member.rule);
    Cover { members, is_minimal }
}

/// All entries of the owners of shares that overlap the region.
fn entries_of(
    search: &mut Search<'_>,
    question: &Question<'_>,
    shares: &[(Owner, Share)],
) -> Vec<u32> {
    // Points that are no packets are no packets that a member takes.
    let owners = shares.iter().map(|(owner, _)| *owner).chain([NATURE]);
    let owners: BTreeSet<Owner> = owners.collect();
    let index = search.index;
    let listed = search.listed.take();
    let mut entries = listed.unwrap_or_else(|| index.overlaps_of(question.region, &owners));
    entries.retain(|entry| owners.contains(&index.owner(*entry)));
    entries.sort_unstable();
    entries.dedup();
    entries
}

struct Dropper<'i, 'q> {
    search: Search<'i>,
    index: &'i Index,
    question: &'q Question<'q>,
    dropped: BTreeSet<Owner>,
}

impl Dropper<'_, '_> {
    /// Whether an owner takes a packet of the region that no other takes that was not dropped; the
    /// search came by `point`, which may be one.
    fn needed(&mut self, owner: Owner, point: Point) -> Verdict {
        let (index, layout) = (self.index, self.index.layout());
        let fits = |dropped: &BTreeSet<Owner>, one| one != owner && !dropped.contains(&one);
        if index.stab(&point.0, Among::ALL, |one| fits(&self.dropped, one)).is_none() {
            return Verdict::Uncovered(point);
        }
        for one in self.question.region.words().chunks_exact(layout.words()) {
            let mut own = Vec::new();
            index.overlaps(one, Among::only(owner), |one| one == owner, &mut own);
            for (entry, possible) in
                own.into_iter().flat_map(|entry| index.possible().map(move |one| (entry, one)))
            {
                let mut cell: Box<[u64]> = one.into();
                if !layout.intersect(&mut cell, index.entry(entry))
                    || !layout.intersect(&mut cell, possible)
                {
                    continue;
                }
                let mut list = Vec::new();
                index.overlaps(&cell, Among::ALL, |one| fits(&self.dropped, one), &mut list);
                match self.search.divide(cell, list) {
                    Verdict::Covered => {}
                    verdict @ (Verdict::Uncovered(_) | Verdict::Incomplete) => return verdict,
                }
            }
        }
        Verdict::Covered
    }
}
