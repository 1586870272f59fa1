//! Dividing a box until each piece is settled: all taken by one rule, or not all taken.
//!
//! A piece is divided along a face of the rule that takes most of it (which cuts this rule out in a
//! few steps), or through the middle of the faces of all rules there, whichever leaves the shorter
//! lists. A rule that takes nothing of a piece but what the largest takes there is forgotten in it.
//!
//! Pieces where the rules are too small, all together, to fill them, are halved down to a free point
//! without further ado: of two halves, one must still be too large for what is in it.

use super::super::index::Owner;
use super::super::layout::{Held, Plane};
use super::super::space::Point;
use super::{Search, Verdict};

/// Rules of a list that planes are tried on.
const SAMPLE: usize = 48;

/// Lists up to this length are divided along the faces of the largest rule only.
const SHORT: usize = 6;

/// Sizes are compared with this much doubt: sums of a million rounded numbers are better than that.
const DOUBT: f64 = 1e-8;

/// A piece with the rules that overlap it.
struct Piece {
    cell: Box<[u64]>,
    entries: Vec<u32>,
}

/// What the rules of a piece take of it.
enum Census {
    /// This one takes all.
    Around(u32),
    /// Together too little to take all.
    TooLittle,
    /// Perhaps all. The rule that takes most is given.
    Perhaps(u32),
}

impl Search<'_> {
    /// Whether the entries, all that overlap a box, take all of it.
    pub(super) fn divide(&mut self, cell: Box<[u64]>, entries: Vec<u32>) -> Verdict {
        let mut waiting = vec![Piece { cell, entries }];
        while let Some(piece) = waiting.pop() {
            if !self.spend(piece.entries.len() + 1) {
                return Verdict::Incomplete;
            }
            let largest = match self.census(&piece) {
                Census::Around(entry) => {
                    self.take(&piece, entry);
                    continue;
                }
                Census::TooLittle => match self.free_point(piece) {
                    Some(point) => return Verdict::Uncovered(point),
                    None => return Verdict::Incomplete,
                },
                Census::Perhaps(largest) => largest,
            };
            if let Some(point) = self.lucky_point(&piece) {
                return Verdict::Uncovered(point);
            }
            match self.plane(&piece, largest) {
                Some(plane) => waiting.extend(self.split(&piece, plane, largest)),
                // The largest rule has no face in the piece, so it takes all: not reached.
                None => self.take(&piece, largest),
            }
        }
        Verdict::Covered
    }

    fn census(&self, piece: &Piece) -> Census {
        let layout = self.index.layout();
        let whole = layout.points(&piece.cell);
        let (mut sum, mut most, mut largest) = (0.0, -1.0, None);
        let mut around: Option<(bool, Owner, u32)> = None;
        for entry in &piece.entries {
            let one = self.index.entry(*entry);
            let points = layout.shared(one, &piece.cell);
            sum += points;
            if points > most {
                (most, largest) = (points, Some(*entry));
            }
            if points >= whole && layout.contains(one, &piece.cell) {
                // Rather one that is needed elsewhere anyhow, then the first.
                let owner = self.index.owner(*entry);
                let rank = (!self.shares.contains_key(&owner), owner, *entry);
                around = Some(around.map_or(rank, |best| best.min(rank)));
            }
        }
        match (around, largest) {
            (Some((_, _, entry)), _) => Census::Around(entry),
            (None, Some(largest)) if sum >= whole * (1.0 - DOUBT) => Census::Perhaps(largest),
            (None, _) => Census::TooLittle,
        }
    }

    fn take(&mut self, piece: &Piece, entry: u32) {
        let layout = self.index.layout();
        let (point, points) = (Point(layout.lowest(&piece.cell)), layout.points(&piece.cell));
        self.note(self.index.owner(entry), point, piece.entries.len() - 1, points);
    }

    /// Any point of a piece, if it happens to be free.
    fn lucky_point(&mut self, piece: &Piece) -> Option<Point> {
        let layout = self.index.layout();
        let point = layout.anywhere(&piece.cell, &mut self.random);
        let mut entries = piece.entries.iter().map(|entry| self.index.entry(*entry));
        (!entries.any(|one| layout.contains(one, &point))).then_some(Point(point))
    }

    /// A free point of a piece that its rules are too small for. `None` when the work was too much.
    fn free_point(&mut self, mut piece: Piece) -> Option<Point> {
        let layout = self.index.layout();
        loop {
            if piece.entries.is_empty() {
                return Some(Point(layout.lowest(&piece.cell)));
            }
            if !self.spend(piece.entries.len()) {
                return None;
            }
            let size = |axis: &usize| layout.size(*axis, &piece.cell);
            let longest = layout.unflagged().max_by_key(size).filter(|axis| size(axis) > 1);
            // Of thousands of flags only those part a piece that its rules ask for.
            let mut asking = piece.entries.iter().map(|entry| self.index.entry(*entry));
            let flag = || asking.find_map(|one| layout.flags_apart(&piece.cell, one).next());
            let longest = longest.or_else(flag)?;
            let free = |cell: &[u64]| {
                let taken = piece.entries.iter();
                let taken: f64 =
                    taken.map(|entry| layout.shared(self.index.entry(*entry), cell)).sum();
                layout.points(cell) - taken
            };
            let [near, far] = layout.halves(longest, &piece.cell);
            let cell = if free(&near) >= free(&far) { near } else { far };
            let mut entries = piece.entries;
            entries.retain(|entry| layout.overlap(self.index.entry(*entry), &cell));
            piece = Piece { cell, entries };
        }
    }

    /// The plane that leaves the shortest lists.
    fn plane(&self, piece: &Piece, largest: u32) -> Option<Plane> {
        let layout = self.index.layout();
        let cell = &piece.cell[..];
        let mut planes = Vec::new();
        layout.faces(cell, self.index.entry(largest), largest, |plane| planes.push(plane));
        // Along the only face of the first of many in a row, they would be cut off one by one.
        if planes.is_empty() || planes.len() == 1 && piece.entries.len() <= SAMPLE {
            return planes.pop();
        }
        let step = piece.entries.len().div_ceil(SAMPLE);
        let sample: Vec<u32> = piece.entries.iter().copied().step_by(step).collect();
        if piece.entries.len() > SHORT {
            self.add_middles(cell, &sample, &mut planes);
        }
        let cost = |plane: &Plane| {
            let by = self.index.entry(entry_of(*plane, largest));
            let (mut near, mut far) = (0usize, 0usize);
            for entry in &sample {
                let sides = layout.on_sides(cell, *plane, by, self.index.entry(*entry));
                near += usize::from(sides.0);
                far += usize::from(sides.1);
            }
            near * near + far * far
        };
        planes.into_iter().min_by_key(cost)
    }

    /// Adds for each axis the plane in the middle of the faces that rules have there.
    fn add_middles(&self, cell: &[u64], sample: &[u32], planes: &mut Vec<Plane>) {
        let layout = self.index.layout();
        let mut faces: Vec<Vec<Plane>> = vec![Vec::new(); layout.axes()];
        for entry in sample {
            layout.faces(cell, self.index.entry(*entry), *entry, |plane| {
                let (Plane::Below { axis, .. } | Plane::Among { axis, .. }) = plane;
                faces[axis].push(plane);
            });
        }
        for (axis, mut faces) in faces.into_iter().enumerate().filter(|(_, all)| !all.is_empty()) {
            let half = faces.len() / 2;
            let value = |plane: &Plane| match plane {
                Plane::Below { value, .. } => *value,
                Plane::Among { .. } => 0,
            };
            if layout.shape(axis).held == Held::Interval {
                faces.select_nth_unstable_by_key(half, value);
            }
            planes.push(faces[half]);
        }
    }

    /// Both sides of a piece, the one with the shorter list last.
    fn split(&self, piece: &Piece, plane: Plane, largest: u32) -> [Piece; 2] {
        let layout = self.index.layout();
        let by = self.index.entry(entry_of(plane, largest));
        let large = self.index.entry(largest);
        let mut lists = [const { Vec::new() }; 2];
        for entry in &piece.entries {
            let one = self.index.entry(*entry);
            if *entry != largest && layout.contains_within(&piece.cell, large, one) {
                continue;
            }
            let (near, far) = layout.on_sides(&piece.cell, plane, by, one);
            for (list, _) in lists.iter_mut().zip([near, far]).filter(|(_, is_there)| *is_there) {
                list.push(*entry);
            }
        }
        let [near, far] = layout.sides(&piece.cell, plane, by);
        let [near_list, far_list] = lists;
        let near = Piece { cell: near, entries: near_list };
        let far = Piece { cell: far, entries: far_list };
        if near.entries.len() < far.entries.len() { [far, near] } else { [near, far] }
    }
}

/// The entry whose box a plane goes along; of a plane of an interval axis it does not matter.
fn entry_of(plane: Plane, otherwise: u32) -> u32 {
    match plane {
        Plane::Below { .. } => otherwise,
        Plane::Among { entry, .. } => entry,
    }
}
