//! Rates as the kernel counts them and `iptables-save` prints them.

use crate::net::{Rate, Unit};

/// Who counts: the two matches divide time differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// `-m limit`: 10,000 parts a second.
    Limit,
    /// `-m hashlimit`: 1,000,000 parts a second.
    Hashlimit,
}

impl Counter {
    fn parts_per_second(self) -> u64 {
        match self {
            Counter::Limit => 10_000,
            Counter::Hashlimit => 1_000_000,
        }
    }
}

/// The rate that is really kept for one that was asked for, in the unit in which it is printed.
///
/// The tools turn a rate into a whole number of parts of a second between two packets and print
/// that number back (`parse_rate` and `print_rate` in `libxt_limit.c` and `libxt_hashlimit.c` of
/// iptables 1.8.9): 60/minute is 1/second, and 4000/second of `limit` is 5000/second in truth.
#[must_use]
pub fn counted(rate: Rate, counter: Counter) -> Rate {
    let parts = |unit: Unit| counter.parts_per_second() * u64::from(unit.seconds());
    let period = (parts(rate.unit()) / u64::from(rate.count())).max(1);
    let mut unit = Unit::Day;
    for finer in [Unit::Hour, Unit::Minute, Unit::Second] {
        let whole = parts(finer);
        if period > whole || whole / period < whole % period {
            break;
        }
        unit = finer;
    }
    let count = u32::try_from(parts(unit) / period).unwrap_or(u32::MAX);
    Rate::new(count, unit).unwrap_or(rate)
}

/// `5/min`, as `iptables-save` abbreviates it.
#[must_use]
pub fn rate_text(rate: Rate) -> String {
    let unit = match rate.unit() {
        Unit::Second => "sec",
        Unit::Minute => "min",
        Unit::Hour => "hour",
        Unit::Day => "day",
    };
    format!("{}/{unit}", rate.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_said_in_the_finest_unit_that_is_whole() {
        let say =
            |text: &str, counter| rate_text(counted(Rate::parse(text).expect("a rate"), counter));
        assert_eq!(say("60/minute", Counter::Limit), "1/sec");
        assert_eq!(say("7/minute", Counter::Limit), "7/min");
        assert_eq!(say("120/hour", Counter::Limit), "2/min");
        assert_eq!(say("100/hour", Counter::Limit), "100/hour");
        assert_eq!(say("24/day", Counter::Limit), "1/hour");
        assert_eq!(say("4000/second", Counter::Limit), "5000/sec");
        assert_eq!(say("4000/second", Counter::Hashlimit), "4000/sec");
    }
}
