//! What becomes of regions when packets are changed: translated, marked, their state told.

use super::super::{Constraint, Field, opaque};
use super::axis::{Axis, Subject};
use super::{Region, Space, constrain, merged};
use crate::net::IntervalSet;

/// Up to so many values of a field are copied one by one.
const MOST_SINGLE: u32 = 64;

impl Space {
    /// The points of a region that meet a condition, which must be one that the space was made of.
    #[must_use]
    pub fn within(&self, region: &Region, constraint: &Constraint) -> Region {
        constrain(self, region.clone(), constraint)
    }

    /// Those that meet all of some conditions.
    #[must_use]
    pub fn within_all(&self, region: &Region, constraints: &[Constraint]) -> Region {
        constraints.iter().fold(region.clone(), |region, one| constrain(self, region, one))
    }

    /// The points that differ from those of a region in some fields only, and in conditions that look at them.
    #[must_use]
    pub fn freed(&self, region: &Region, free: impl Fn(Field) -> bool) -> Region {
        self.freed_axes(region, |axis| match &axis.subject {
            Subject::Field(field) | Subject::Mark { field, .. } => free(*field),
            Subject::Fact(text) => {
                free(Field::Opaque) || opaque::looked_at(text).iter().any(|field| free(*field))
            }
        })
    }

    /// The same of the bits of a mark under a mask, of whose bits the space was told.
    #[must_use]
    pub fn freed_mark(&self, region: &Region, of: Field, under: u32) -> Region {
        self.freed_axes(region, |axis| match &axis.subject {
            Subject::Mark { field, mask } => *field == of && mask & under != 0,
            Subject::Fact(text) => opaque::looked_at(text).contains(&of),
            Subject::Field(_) => false,
        })
    }

    /// The points of a region whose mark `to` has, now, under a mask what the mark `from` has; where there is
    /// none of those, it stays. `None` when they are in more than so many boxes. The space must know of both
    /// marks the same borders, and the mask.
    #[must_use]
    pub fn copied_mark(
        &self,
        region: &Region,
        (from, to): (Field, Field),
        under: u32,
        most: usize,
    ) -> Option<Region> {
        let mut region = self.freed_facts(region, |text| opaque::looked_at(text).contains(&to));
        for (target, axis) in self.axes.iter().enumerate() {
            let Subject::Mark { field, mask } = axis.subject else { continue };
            if field != to || mask & under == 0 {
                continue;
            }
            let same = Subject::Mark { field: from, mask };
            let source = self.axes.iter().position(|axis| axis.subject == same)?;
            let mut copied = Region::default();
            let (first, last) = self.axes[source].present();
            for one in self.boxes(&region) {
                for value in first..=last {
                    let mut kept = Region::default();
                    self.narrow(&mut kept.words, one, source, &[(value, value)]);
                    for one in kept.words.chunks_exact_mut(self.layout.words()) {
                        self.layout.free(target, one);
                        self.narrow(&mut copied.words, one, target, &[(value, value)]);
                    }
                }
                if let Some(none) = self.axes[source].absent() {
                    self.narrow(&mut copied.words, one, source, &[none]);
                }
                if self.count(&copied) > most {
                    return None;
                }
            }
            region = merged(self, &copied);
        }
        Some(region)
    }

    /// The points that differ from those of a region in the conditions with some texts only.
    #[must_use]
    pub fn freed_facts(&self, region: &Region, free: impl Fn(&str) -> bool) -> Region {
        self.freed_axes(region, |axis| match &axis.subject {
            Subject::Fact(text) => free(text),
            Subject::Field(_) | Subject::Mark { .. } => false,
        })
    }

    fn freed_axes(&self, region: &Region, free: impl Fn(&Axis) -> bool) -> Region {
        let mut freed = region.clone();
        for (number, _) in self.axes.iter().enumerate().filter(|(_, axis)| free(axis)) {
            for one in freed.words.chunks_exact_mut(self.layout.words()) {
                self.layout.free(number, one);
            }
        }
        merged(self, &freed)
    }

    /// The points of a region whose field `to` has, now, what the field `from` has. Few values are copied
    /// each for itself; of many, any goes with any. Both fields must know the same borders.
    #[must_use]
    pub fn copied(&self, region: &Region, from: Field, to: Field) -> Region {
        let Some((to, target)) = self.axis_of(to) else { return region.clone() };
        let Some((from, source)) = self.axis_of(from) else {
            // No rule tells its values apart: so it has all of them.
            return self.freed_axes(region, |axis| axis.subject == target.subject);
        };
        let mut copied = Region::default();
        for one in self.boxes(region) {
            let values = self.layout.values(from, one);
            let single = self.layout.size(from, one) <= MOST_SINGLE;
            let parts: Vec<Vec<(u32, u32)>> = if single {
                let all = values.iter().flat_map(|(low, high)| *low..=*high);
                all.map(|value| vec![(value, value)]).collect()
            } else {
                vec![values]
            };
            for part in parts {
                let mut free: Vec<u64> = one.to_vec();
                self.layout.free(to, &mut free);
                let mut kept = Region::default();
                self.narrow(&mut kept.words, &free, from, &part);
                let meant = same_values(source, &part, target);
                for one in self.boxes(&kept) {
                    self.narrow(&mut copied.words, one, to, &meant);
                }
            }
        }
        copied
    }
}

/// The values of one axis that mean what some values of another one mean.
fn same_values(source: &Axis, values: &[(u32, u32)], target: &Axis) -> Vec<(u32, u32)> {
    let absent = source.absent();
    let (_, last) = source.present();
    let mut numbers: IntervalSet<u128> = IntervalSet::from_intervals([]);
    let mut meant = Vec::new();
    for (low, high) in values {
        if absent.is_some_and(|(absent, _)| *high >= absent) {
            meant.extend(target.absent());
        }
        if *low <= last {
            numbers = numbers.union(&source.numbers_between(*low, (*high).min(last)));
        }
    }
    meant.extend(target.of_numbers_set(&numbers));
    meant.sort_unstable();
    meant
}
