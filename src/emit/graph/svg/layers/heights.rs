//! How far down each item stands: as near as can be to what it is connected with, in the order given.

use std::collections::BTreeSet;

use super::Columns;

/// Between two items of a column.
const SPACE: i32 = 26;

const SWEEPS: usize = 6;

/// The top of each item; the highest is 0.
pub(super) fn heights(columns: &Columns) -> Vec<i32> {
    let mut tops = vec![0; columns.items.len()];
    for column in &columns.stacks {
        let mut y = 0;
        for item in column {
            tops[*item] = y;
            y += columns.items[*item].height + SPACE;
        }
    }
    let count = columns.stacks.len();
    for sweep in 0..SWEEPS {
        let to_the_right = sweep % 2 == 0;
        for step in 1..count {
            let column = if to_the_right { step } else { count - 1 - step };
            settle(columns, column, to_the_right, &mut tops);
        }
    }
    for column in &columns.stacks {
        gather(columns, column, &mut tops);
    }
    let highest = tops.iter().copied().min().unwrap_or(0);
    tops.iter().map(|top| top - highest).collect()
}

/// Brings items that are connected with nothing to those above them: nobody else wants them.
fn gather(columns: &Columns, column: &[usize], tops: &mut [i32]) {
    let pieces = columns.pieces.iter().flatten();
    let connected: BTreeSet<usize> =
        pieces.flat_map(|piece| [piece.left.0, piece.right.0]).collect();
    for pair in column.windows(2) {
        if !connected.contains(&pair[1]) {
            tops[pair[1]] = tops[pair[0]] + columns.items[pair[0]].height + SPACE;
        }
    }
}

/// Moves the items of a column to where their neighbours on one side want them.
fn settle(columns: &Columns, column: usize, by_left: bool, tops: &mut [i32]) {
    let pieces = &columns.pieces[if by_left { column - 1 } else { column }];
    let items = &columns.stacks[column];
    let wish = |item: usize| {
        let mut sum = 0;
        let mut count = 0;
        for piece in pieces {
            let (own, other) =
                if by_left { (piece.right, piece.left) } else { (piece.left, piece.right) };
            if own.0 == item {
                sum += tops[other.0] + other.1 - own.1;
                count += 1;
            }
        }
        if count == 0 { tops[item] } else { sum / count }
    };
    let wishes: Vec<i32> = items.iter().map(|item| wish(*item)).collect();
    // Less what must lie above it, each item's top is at least the one's before.
    let mut offset = 0;
    let mut offsets = Vec::new();
    for item in items {
        offsets.push(offset);
        offset += columns.items[*item].height + SPACE;
    }
    let free: Vec<i32> = wishes.iter().zip(&offsets).map(|(wish, offset)| wish - offset).collect();
    for ((item, offset), top) in items.iter().zip(&offsets).zip(rising(&free)) {
        tops[*item] = top + offset;
    }
}

/// The numbers nearest to these (by the sum of squares) that never fall: pool adjacent violators.
fn rising(wishes: &[i32]) -> Vec<i32> {
    let mut pools: Vec<(i64, i64)> = Vec::new();
    for wish in wishes {
        let mut pool = (i64::from(*wish), 1);
        while let Some((sum, count)) = pools.last().copied() {
            if sum * pool.1 <= pool.0 * count {
                break;
            }
            pool = (pool.0 + sum, pool.1 + count);
            pools.pop();
        }
        pools.push(pool);
    }
    let mut risen = Vec::new();
    for (sum, count) in pools {
        let mean = i32::try_from(sum.div_euclid(count)).unwrap_or(0);
        risen.extend((0..count).map(|_| mean));
    }
    risen
}

#[cfg(test)]
mod tests {
    use super::rising;

    #[test]
    fn what_falls_is_levelled() {
        assert_eq!(rising(&[]), [] as [i32; 0]);
        assert_eq!(rising(&[1, 3, 2, 4]), [1, 2, 2, 4]);
        assert_eq!(rising(&[9, 6, 0, 5]), [5, 5, 5, 5]);
        assert_eq!(rising(&[-5, -7]), [-6, -6]);
    }
}
