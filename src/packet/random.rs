//! A small seeded generator of numbers: the same seed gives the same numbers everywhere.

/// splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `low..=high`; `low` when they are reversed. The bias is below 2⁻⁶⁴ for ranges
    /// that are small beside the 128 bits drawn.
    pub fn within(&mut self, low: u128, high: u128) -> u128 {
        let drawn = u128::from(self.bits()) << 64 | u128::from(self.bits());
        match high.checked_sub(low).map(|width| width.checked_add(1)) {
            Some(Some(size)) => low + drawn % size,
            Some(None) => drawn,
            None => low,
        }
    }

    /// An index below `length`, 0 when that is 0.
    pub fn index(&mut self, length: usize) -> usize {
        let length = u64::try_from(length.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.bits() % length).unwrap_or(0)
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    /// True once in `count` times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.index(count) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_paper() {
        // The reference implementation's output for seed 1234567 (prng.di.unimi.it/splitmix64.c).
        let mut random = Random::new(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn ranges_are_kept() {
        let mut random = Random::new(1);
        let drawn: Vec<u128> = (0..200).map(|_| random.within(7, 9)).collect();
        assert!(drawn.iter().all(|number| (7..=9).contains(number)));
        assert!((7..=9).all(|number| drawn.contains(&number)));
        assert!(random.within(0, u128::MAX) > 0);
    }
}
