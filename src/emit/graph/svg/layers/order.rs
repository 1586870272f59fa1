//! The order in each column, so that few arrows cross: by barycentres, to and fro.

use super::{Columns, Piece};

/// How many times all columns are gone through; more change nothing in practice.
const SWEEPS: usize = 8;

/// The height of a place in a column: items have the same share, whatever their size.
const SHARE: i64 = 10_000;

/// Orders the items of each column.
pub(super) fn order(columns: &mut Columns) {
    let mut best = (crossings(columns), columns.stacks.clone());
    for sweep in 0..SWEEPS {
        let count = columns.stacks.len();
        let to_the_right = sweep % 2 == 0;
        for step in 1..count {
            let column = if to_the_right { step } else { count - 1 - step };
            sort(columns, column, to_the_right);
        }
        let now = crossings(columns);
        if now < best.0 {
            best = (now, columns.stacks.clone());
        }
    }
    columns.stacks = best.1;
}

/// Sorts a column by where its items' neighbours are in the one before (or after) it. What has none
/// stays where it is.
fn sort(columns: &mut Columns, column: usize, by_left: bool) {
    let places = places(columns);
    let pieces = &columns.pieces[if by_left { column - 1 } else { column }];
    let mut keyed: Vec<(i64, usize)> = Vec::new();
    for item in &columns.stacks[column] {
        let ends = pieces.iter().map(|piece| {
            if by_left { (piece.right, piece.left) } else { (piece.left, piece.right) }
        });
        let others = ends.filter(|(own, _)| own.0 == *item).map(|(_, other)| other);
        let others: Vec<i64> = others.map(|end| at(columns, &places, end)).collect();
        let count = i64::try_from(others.len()).unwrap_or(1);
        let centre = others.iter().sum::<i64>().checked_div(count);
        keyed.push((centre.unwrap_or(places[*item] * SHARE + SHARE / 2), *item));
    }
    keyed.sort_by_key(|(centre, _)| *centre);
    columns.stacks[column] = keyed.into_iter().map(|(_, item)| item).collect();
}

/// The place of each item in its column.
fn places(columns: &Columns) -> Vec<i64> {
    let mut places = vec![0; columns.items.len()];
    for column in &columns.stacks {
        for (place, item) in (0..).zip(column) {
            places[*item] = place;
        }
    }
    places
}

/// How far down an end is: the place of its item, and how far below the item's top.
fn at(columns: &Columns, places: &[i64], (item, y): (usize, i32)) -> i64 {
    let height = i64::from(columns.items[item].height.max(1));
    places[item] * SHARE + (i64::from(y) * SHARE / height).min(SHARE - 1)
}

/// How many pairs of arrows cross.
fn crossings(columns: &Columns) -> usize {
    let places = places(columns);
    columns.pieces.iter().map(|pieces| crossings_of(columns, &places, pieces)).sum()
}

fn crossings_of(columns: &Columns, places: &[i64], pieces: &[Piece]) -> usize {
    let ends: Vec<(i64, i64)> = pieces
        .iter()
        .map(|piece| (at(columns, places, piece.left), at(columns, places, piece.right)))
        .collect();
    let crosses =
        |a: &(i64, i64), b: &(i64, i64)| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1);
    let pairs = ends.iter().enumerate();
    pairs
        .map(|(number, one)| ends[..number].iter().filter(|other| crosses(one, other)).count())
        .sum()
}
