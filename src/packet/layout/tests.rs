//! Every operation on all boxes of a small world, against its points one by one.

use super::*;

/// Three values as intervals, three as bits, and three of seventy, so that they are in two words.
fn layout() -> Layout {
    let shape = |values, held| AxisShape { values, held };
    Layout::new(&[shape(70, Held::Bits), shape(3, Held::Bits), shape(4, Held::Interval)])
}

/// The values of the first axis that are looked at.
const WIDE: [u32; 3] = [0, 63, 69];

fn subsets(values: &[u32]) -> Vec<Vec<(u32, u32)>> {
    let chosen = |set: u32| {
        let among = (0..).zip(values).filter(|(bit, _)| set >> bit & 1 == 1);
        among.map(|(_, value)| (*value, *value)).collect()
    };
    (1..1 << values.len()).map(chosen).collect()
}

/// All boxes of the world: 7 × 7 × 10.
fn boxes(layout: &Layout) -> Vec<Box<[u64]>> {
    let runs = (0..4).flat_map(|low| (low..4).map(move |high| vec![(low, high)]));
    let runs: Vec<_> = runs.collect();
    let mut boxes = Vec::new();
    for wide in subsets(&WIDE) {
        for bits in subsets(&[0, 1, 2]) {
            for run in &runs {
                let mut one: Box<[u64]> = layout.full().into();
                assert!(layout.keep(0, &mut one, &wide));
                assert!(layout.keep(1, &mut one, &bits));
                assert!(layout.keep(2, &mut one, run));
                boxes.push(one);
            }
        }
    }
    boxes
}

/// Which of the 36 points are in a box, a bit each.
fn points(layout: &Layout, one: &[u64]) -> u64 {
    let mut set = 0;
    let mut bit = 0;
    for wide in WIDE {
        for bits in 0..3 {
            for run in 0..4 {
                let of = |axis| layout.of(axis, one);
                let run_word = of(2)[0];
                let is_in = of(0)[(wide / 64) as usize] >> (wide % 64) & 1 == 1
                    && of(1)[0] >> bits & 1 == 1
                    && (run_word >> 32..=run_word & HIGH).contains(&run);
                set |= u64::from(is_in) << bit;
                bit += 1;
            }
        }
    }
    set
}

/// A count of points as the whole number that it is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 37")]
fn whole(points: f64) -> u32 {
    points as u32
}

#[test]
fn operations_agree_with_points() {
    let layout = layout();
    let boxes = boxes(&layout);
    let sets: Vec<u64> = boxes.iter().map(|one| points(&layout, one)).collect();
    let cells: Vec<usize> = (0..boxes.len()).step_by(37).collect();
    for (a, a_set) in boxes.iter().zip(&sets) {
        assert_eq!(whole(layout.points(a)), a_set.count_ones());
        for (b, b_set) in boxes.iter().zip(&sets) {
            let both = a_set & b_set;
            assert_eq!(layout.overlap(a, b), both != 0);
            assert_eq!(layout.contains(a, b), b_set & !a_set == 0);
            assert_eq!(whole(layout.shared(a, b)), both.count_ones());
            let mut meeting = a.clone();
            assert_eq!(layout.intersect(&mut meeting, b), both != 0);
            if both != 0 {
                assert_eq!(points(&layout, &meeting), both);
            }
            for cell in cells.iter().filter(|cell| sets[**cell] & b_set != 0) {
                let inside = b_set & sets[*cell] & !a_set == 0;
                assert_eq!(layout.contains_within(&boxes[*cell], a, b), inside);
            }
        }
    }
}

#[test]
fn what_is_left_is_disjoint_and_all() {
    let layout = layout();
    let boxes = boxes(&layout);
    for a in &boxes {
        for b in &boxes {
            let (a_set, b_set) = (points(&layout, a), points(&layout, b));
            let mut left = 0;
            for piece in layout.without(a.clone(), b) {
                let piece = points(&layout, &piece);
                assert!(piece != 0 && piece & left == 0);
                left |= piece;
            }
            assert_eq!(left, a_set & !b_set);
        }
    }
}

#[test]
fn hulls_hold_both_and_halves_are_all() {
    let layout = layout();
    let boxes = boxes(&layout);
    for a in &boxes {
        for b in boxes.iter().step_by(11) {
            let mut hull = a.clone();
            layout.widen(&mut hull, b);
            assert!(layout.contains(&hull, a) && layout.contains(&hull, b));
        }
        for axis in (0..3).filter(|axis| layout.size(*axis, a) > 1) {
            let [near, far] = layout.halves(axis, a).map(|half| points(&layout, &half));
            assert_eq!((near & far, near | far), (0, points(&layout, a)));
            assert!(near != 0 && far != 0);
        }
    }
}

#[test]
fn planes_part_a_cell() {
    let layout = layout();
    let boxes = boxes(&layout);
    for cell in boxes.iter().step_by(7) {
        for by in boxes.iter().filter(|by| layout.overlap(cell, by)) {
            let mut planes = Vec::new();
            layout.faces(cell, by, 0, |plane| planes.push(plane));
            assert_eq!(planes.is_empty(), layout.contains(by, cell));
            for plane in planes {
                let sides = layout.sides(cell, plane, by);
                let [near, far] = sides.clone().map(|side| points(&layout, &side));
                assert_eq!((near & far, near | far), (0, points(&layout, cell)));
                assert!(near != 0 && far != 0);
                for one in boxes.iter().step_by(13).filter(|one| layout.overlap(cell, one)) {
                    let on = layout.on_sides(cell, plane, by, one);
                    let [is_near, is_far] = [0, 1].map(|side| layout.overlap(&sides[side], one));
                    assert_eq!(on, (is_near, is_far));
                }
            }
        }
    }
}

#[test]
fn chosen_points_are_in_their_box() {
    let layout = layout();
    let mut random = Random::new(1);
    for one in &boxes(&layout) {
        let chosen = [layout.lowest(one), layout.highest(one), layout.anywhere(one, &mut random)];
        for point in chosen {
            assert!(layout.contains(one, &point));
            assert_eq!(whole(layout.points(&point)), 1);
        }
    }
}

#[test]
fn a_point_leaves_a_box_on_one_axis_within_its_cell() {
    let layout = layout();
    let boxes = boxes(&layout);
    for cell in boxes.iter().step_by(5) {
        for one in &boxes {
            let mut point = layout.lowest(cell);
            let before = point.clone();
            let axis = layout.leave(&mut point, cell, one, None);
            assert_eq!(axis.is_some(), !layout.contains(one, cell));
            assert!(layout.contains(cell, &point) && whole(layout.points(&point)) == 1);
            assert!(axis.is_none() || !layout.contains(one, &point));
            let is_moved = |axis: &usize| layout.of(*axis, &point) != layout.of(*axis, &before);
            assert!((0..3).filter(is_moved).all(|moved| Some(moved) == axis));
            let again = layout.leave(&mut point, cell, one, axis);
            assert!(again.is_none() || again != axis);
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
