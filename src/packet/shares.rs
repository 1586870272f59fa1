//! Work on a long list, shared among processors; what comes out is in order, whatever their number.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lists shorter than this are done before another thread has started.
pub const WORTH_THREADS: usize = 4_096;

/// How many threads a list of so many items is worth.
#[must_use]
pub fn threads(items: usize) -> usize {
    if items < WORTH_THREADS {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// What comes of two things, of which the first is done by another thread meanwhile.
pub fn both<A: Send, B>(beside: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let other = scope.spawn(beside);
        let here = here();
        let beside = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (beside, here)
    })
}

/// What `work` makes of each share of a list; a share comes with the place of its first item.
///
/// Shares are small and taken one by one: some items are more work than others.
pub fn in_shares<T: Sync, R: Send>(items: &[T], work: impl Fn(usize, &[T]) -> R + Sync) -> Vec<R> {
    let size = items.len() / threads(items.len()) / 16;
    in_shares_of(size.max(WORTH_THREADS / 16), items, work)
}

/// The same with one share for each thread, for results that are work to put together.
pub fn in_large_shares<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(usize, &[T]) -> R + Sync,
) -> Vec<R> {
    in_shares_of(items.len().div_ceil(threads(items.len())), items, work)
}

fn in_shares_of<T: Sync, R: Send>(
    size: usize,
    items: &[T],
    work: impl Fn(usize, &[T]) -> R + Sync,
) -> Vec<R> {
    let threads = threads(items.len());
    if threads == 1 {
        return vec![work(0, items)];
    }
    let shares: Vec<&[T]> = items.chunks(size).collect();
    let next = AtomicUsize::new(0);
    let take_shares = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(share) = shares.get(at) else { return done };
            done.push((at, work(at * size, share)));
        }
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take_shares)).collect();
        let mut done = take_shares();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order() {
        for count in [0, 1, 1_000, 4_096, 50_001] {
            let items: Vec<usize> = (0..count).collect();
            let double = |first, share: &[usize]| {
                assert!(share.first().is_none_or(|item| *item == first));
                share.iter().map(|item| 2 * item).collect::<Vec<_>>()
            };
            for doubled in [in_shares(&items, double), in_large_shares(&items, double)] {
                assert!(doubled.concat().into_iter().eq((0..count).map(|item| 2 * item)));
            }
        }
    }
}
