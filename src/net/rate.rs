//! Rates such as `5/minute`, and what the kernel can count.

use std::fmt;

/// What a rate counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

impl Unit {
    pub const ALL: [Unit; 4] = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day];

    #[must_use]
    pub fn seconds(self) -> u32 {
        match self {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3_600,
            Unit::Day => 86_400,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unit::Second => "second",
            Unit::Minute => "minute",
            Unit::Hour => "hour",
            Unit::Day => "day",
        }
    }
}

/// So many packets a unit of time.
// INVARIANT: at least 1, at most 10,000 a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    count: u32,
    unit: Unit,
}

/// The highest rate that iptables takes, in packets a second.
pub const MAX_PER_SECOND: u32 = 10_000;

/// The highest burst that iptables takes.
pub const MAX_BURST: u32 = 10_000;

/// The most seconds that a full bucket may need to drain: burst × period. Beyond 134,217 s (with
/// HZ=250) the kernel's 32-bit credits wrap and the rule means something else; this stays well below.
pub const MAX_DRAIN_SECONDS: u64 = 86_400;

/// Why a text is not a rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RateError {
    /// Not of the form NUMBER/UNIT.
    NotARate,
    /// A unit other than second, minute, hour and day.
    UnknownUnit(String),
    /// Zero packets.
    Zero,
    /// More than 10,000 a second.
    TooFast,
}

impl Rate {
    /// # Errors
    /// When the kernel would refuse it.
    pub fn new(count: u32, unit: Unit) -> Result<Self, RateError> {
        if count == 0 {
            return Err(RateError::Zero);
        }
        if u64::from(count) > u64::from(MAX_PER_SECOND) * u64::from(unit.seconds()) {
            return Err(RateError::TooFast);
        }
        Ok(Rate { count, unit })
    }

    /// Reads `5/minute`; units may be shortened to `sec`, `min` or their first letter.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        let (count, unit) = text.split_once('/').ok_or(RateError::NotARate)?;
        let unit = match unit {
            "second" | "sec" | "s" => Unit::Second,
            "minute" | "min" | "m" => Unit::Minute,
            "hour" | "h" => Unit::Hour,
            "day" | "d" => Unit::Day,
            _ => return Err(RateError::UnknownUnit(unit.to_owned())),
        };
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RateError::NotARate);
        }
        Rate::new(count.parse().map_err(|_| RateError::TooFast)?, unit)
    }

    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    #[must_use]
    pub fn unit(self) -> Unit {
        self.unit
    }

    /// How long a full bucket of `burst` packets needs to drain, in whole seconds rounded up.
    #[must_use]
    pub fn drain_seconds(self, burst: u32) -> u64 {
        (u64::from(burst) * u64::from(self.unit.seconds())).div_ceil(u64::from(self.count))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit.name())
    }
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateError::NotARate => f.write_str("not a rate such as `5/minute`"),
            RateError::UnknownUnit(unit) => {
                write!(f, "`{unit}` is not one of second, minute, hour and day")
            }
            RateError::Zero => f.write_str("a rate of 0 would never match"),
            RateError::TooFast => write!(f, "the kernel counts at most {MAX_PER_SECOND}/second"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_keep_to_what_the_kernel_counts() {
        assert_eq!(Rate::parse("5/minute"), Rate::new(5, Unit::Minute));
        assert_eq!(Rate::parse("10001/s"), Err(RateError::TooFast));
        assert_eq!(Rate::parse("0/day"), Err(RateError::Zero));
        assert_eq!(Rate::parse("5/week"), Err(RateError::UnknownUnit("week".to_owned())));
        assert_eq!(Rate::parse("1/hour").map(|rate| rate.drain_seconds(24)), Ok(86_400));
    }
}
