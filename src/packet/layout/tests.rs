//! Every operation on all boxes of a small world, against its points one by one.

use super::*;
use crate::packet::Random;

/// A small world: some axes of a layout, and the values of each that are looked at.
struct World {
    layout: Layout,
    looked_at: Vec<(usize, Vec<u32>)>,
}

/// Three values of seventy, so that they are in two words, three as bits and four as intervals; and flags
/// of five words with four values as intervals.
fn worlds() -> [World; 2] {
    let shape = |values, held| AxisShape { values, held };
    let flags = [shape(4, Held::Interval)].into_iter().chain([shape(2, Held::Flag); 130]);
    let runs = || (0..4).collect();
    [
        World {
            layout: Layout::new(&[
                shape(70, Held::Bits),
                shape(3, Held::Bits),
                shape(4, Held::Interval),
            ]),
            looked_at: vec![(0, vec![0, 63, 69]), (1, vec![0, 1, 2]), (2, runs())],
        },
        World {
            layout: Layout::new(&flags.collect::<Vec<_>>()),
            looked_at: vec![(1, vec![0, 1]), (64, vec![0, 1]), (130, vec![0, 1]), (0, runs())],
        },
    ]
}

fn subsets(values: &[u32]) -> Vec<Vec<(u32, u32)>> {
    let chosen = |set: u32| {
        let among = (0..).zip(values).filter(|(bit, _)| set >> bit & 1 == 1);
        among.map(|(_, value)| (*value, *value)).collect()
    };
    (1..1 << values.len()).map(chosen).collect()
}

impl World {
    /// All its boxes: 7 × 7 × 10, or 3 × 3 × 3 × 10.
    fn boxes(&self) -> Vec<Box<[u64]>> {
        let mut boxes: Vec<Box<[u64]>> = vec![self.layout.full().into()];
        for (axis, values) in &self.looked_at {
            let sets = match self.layout.shape(*axis).held {
                Held::Interval => {
                    (0..4).flat_map(|low| (low..4).map(move |high| vec![(low, high)])).collect()
                }
                Held::Bits | Held::Flag => subsets(values),
            };
            let kept = |one: &[u64], set: &[(u32, u32)]| {
                let mut one: Box<[u64]> = one.into();
                assert!(self.layout.keep(*axis, &mut one, set));
                one
            };
            boxes = boxes.iter().flat_map(|one| sets.iter().map(|set| kept(one, set))).collect();
        }
        boxes
    }

    /// Which of its points are in a box, a bit each: 36 or 32.
    fn points(&self, one: &[u64]) -> u64 {
        let mut set = 1u64;
        let mut count = 1;
        for (axis, values) in &self.looked_at {
            let words = self.layout.of(*axis, one);
            let is_in = |value: u32| match self.layout.shape(*axis).held {
                Held::Interval => (words[0] >> 32..=words[0] & HIGH).contains(&u64::from(value)),
                Held::Bits => words[(value / 64) as usize] >> (value % 64) & 1 == 1,
                Held::Flag => {
                    let place = 2 * (u32::try_from(*axis).unwrap() - 1) % 64;
                    words[0] >> (place + value) & 1 == 1
                }
            };
            let shifts = (0..).step_by(count).zip(values).filter(|(_, value)| is_in(**value));
            set = shifts.fold(0, |all, (shift, _)| all | set << shift);
            count *= values.len();
        }
        set
    }

    /// How many of its points a count of points is. A flag counts half, also one that is not looked at, or
    /// that fills up a word; but not one that is free.
    fn whole(&self, points: f64) -> u32 {
        let is_flag = |axis: &usize| self.layout.shape(*axis).held == Held::Flag;
        let is_free = (0..self.layout.axes()).any(|axis| is_flag(&axis));
        whole(if is_free { points * 33f64.exp2() } else { points })
    }
}

/// A count of points as the whole number that it is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 37")]
fn whole(points: f64) -> u32 {
    points as u32
}

#[test]
fn operations_agree_with_points() {
    for world in worlds() {
        let (layout, boxes) = (&world.layout, world.boxes());
        let sets: Vec<u64> = boxes.iter().map(|one| world.points(one)).collect();
        let cells: Vec<usize> = (0..boxes.len()).step_by(37).collect();
        for (a, a_set) in boxes.iter().zip(&sets) {
            assert_eq!(world.whole(layout.points(a)), a_set.count_ones());
            let asking = layout.asking(a);
            assert_eq!(asking.is_empty(), layout.flag_words() == 0);
            for (b, b_set) in boxes.iter().zip(&sets) {
                let both = a_set & b_set;
                assert_eq!(layout.overlap(a, b), both != 0);
                assert_eq!(layout.contains(a, b), b_set & !a_set == 0);
                for asking in &asking {
                    assert_eq!(layout.overlap_asking(a, asking, b), both != 0);
                    assert_eq!(layout.contains_asking(a, asking, b), b_set & !a_set == 0);
                }
                assert_eq!(world.whole(layout.shared(a, b)), both.count_ones());
                let mut meeting = a.clone();
                assert_eq!(layout.intersect(&mut meeting, b), both != 0);
                if both != 0 {
                    assert_eq!(world.points(&meeting), both);
                }
                for cell in cells.iter().filter(|cell| sets[**cell] & b_set != 0) {
                    let inside = b_set & sets[*cell] & !a_set == 0;
                    assert_eq!(layout.contains_within(&boxes[*cell], a, b), inside);
                }
            }
        }
    }
}

#[test]
fn what_is_left_is_disjoint_and_all() {
    for world in worlds() {
        let (layout, boxes) = (&world.layout, world.boxes());
        for a in &boxes {
            for b in &boxes {
                let (a_set, b_set) = (world.points(a), world.points(b));
                let mut left = 0;
                for piece in layout.without(a.clone(), b) {
                    let piece = world.points(&piece);
                    assert!(piece != 0 && piece & left == 0);
                    left |= piece;
                }
                assert_eq!(left, a_set & !b_set);
            }
        }
    }
}

#[test]
fn hulls_hold_both_and_halves_are_all() {
    for world in worlds() {
        let (layout, boxes) = (&world.layout, world.boxes());
        for a in &boxes {
            for b in boxes.iter().step_by(11) {
                let mut hull = a.clone();
                layout.widen(&mut hull, b);
                assert!(layout.contains(&hull, a) && layout.contains(&hull, b));
            }
            let axes = world.looked_at.iter().map(|(axis, _)| *axis);
            for axis in axes.filter(|axis| layout.size(*axis, a) > 1) {
                let [near, far] = layout.halves(axis, a).map(|half| world.points(&half));
                assert_eq!((near & far, near | far), (0, world.points(a)));
                assert!(near != 0 && far != 0);
            }
        }
    }
}

#[test]
fn planes_part_a_cell() {
    for world in worlds() {
        let (layout, boxes) = (&world.layout, world.boxes());
        for cell in boxes.iter().step_by(7) {
            for by in boxes.iter().filter(|by| layout.overlap(cell, by)) {
                let mut planes = Vec::new();
                layout.faces(cell, by, 0, |plane| planes.push(plane));
                assert_eq!(planes.is_empty(), layout.contains(by, cell));
                for plane in planes {
                    let sides = layout.sides(cell, plane, by);
                    let [near, far] = sides.clone().map(|side| world.points(&side));
                    assert_eq!((near & far, near | far), (0, world.points(cell)));
                    assert!(near != 0 && far != 0);
                    for one in boxes.iter().step_by(13).filter(|one| layout.overlap(cell, one)) {
                        let on = layout.on_sides(cell, plane, by, one);
                        let [is_near, is_far] =
                            [0, 1].map(|side| layout.overlap(&sides[side], one));
                        assert_eq!(on, (is_near, is_far));
                    }
                }
            }
        }
    }
}

#[test]
fn chosen_points_are_in_their_box() {
    let mut random = Random::new(1);
    for world in worlds() {
        let (layout, boxes) = (&world.layout, world.boxes());
        for one in &boxes {
            let chosen =
                [layout.lowest(one), layout.highest(one), layout.anywhere(one, &mut random)];
            for point in chosen {
                assert!(layout.contains(one, &point));
                let size = |axis| layout.size(axis, &point);
                assert!((0..layout.axes()).all(|axis| size(axis) == 1));
            }
        }
    }
}

#[test]
fn a_point_leaves_a_box_on_one_axis_within_its_cell() {
    for world in worlds() {
        let (layout, boxes) = (&world.layout, world.boxes());
        for cell in boxes.iter().step_by(5) {
            for one in &boxes {
                let before = layout.lowest(cell);
                let mut point = before.clone();
                let axis = layout.leave(&mut point, cell, one, None);
                assert_eq!(axis.is_some(), !layout.contains(one, cell));
                assert!(layout.contains(cell, &point));
                assert!((0..layout.axes()).all(|axis| layout.size(axis, &point) == 1));
                assert!(axis.is_none() || !layout.contains(one, &point));
                let is_moved =
                    |axis: &usize| layout.ends(*axis, &point) != layout.ends(*axis, &before);
                assert!((0..layout.axes()).filter(is_moved).all(|moved| Some(moved) == axis));
                let again = layout.leave(&mut point, cell, one, axis);
                assert!(again.is_none() || again != axis);
            }
        }
    }
}

#[test]
fn a_space_without_axes_has_one_point() {
    let layout = Layout::new(&[]);
    let full = layout.full();
    assert_eq!((layout.words(), layout.axes(), whole(layout.points(full))), (1, 0, 1));
    assert!(layout.overlap(full, full) && layout.contains(full, full));
    assert_eq!(layout.without(full.into(), full), Vec::<Box<[u64]>>::new());
}
