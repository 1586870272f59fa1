//! Lengths of time in whole seconds: `30s`, `10m`, `1h30m`.

use std::fmt;

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    seconds: u32,
}

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DurationError {
    /// Not of the form NUMBER UNIT.
    NotADuration,
    /// A unit other than these, such as `ms`.
    UnknownUnit(String),
    /// More seconds than fit 32 bits.
    TooLong,
}

/// The letters of the units with their seconds, the longest first.
const UNITS: [(&str, u32); 5] =
    [("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl Duration {
    #[must_use]
    pub fn of_seconds(seconds: u32) -> Self {
        Duration { seconds }
    }

    #[must_use]
    pub fn seconds(self) -> u32 {
        self.seconds
    }

    /// Reads numbers with their units, one behind the other: `90s`, `1h30m`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let mut total: u32 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at(letters);
            if number.is_empty() || unit.is_empty() {
                return Err(DurationError::NotADuration);
            }
            let number: u32 = number.parse().map_err(|_| DurationError::TooLong)?;
            let seconds = number.checked_mul(unit_seconds(unit)?);
            let sum = seconds.and_then(|seconds| total.checked_add(seconds));
            total = sum.ok_or(DurationError::TooLong)?;
            rest = after;
        }
        if text.is_empty() {
            return Err(DurationError::NotADuration);
        }
        Ok(Duration { seconds: total })
    }
}

fn unit_seconds(unit: &str) -> Result<u32, DurationError> {
    Ok(match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        _ => return Err(DurationError::UnknownUnit(unit.to_owned())),
    })
}

/// In the longest units that are whole: `90m` is `1h30m`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.seconds;
        for (unit, seconds) in UNITS {
            if rest >= seconds {
                write!(f, "{}{unit}", rest / seconds)?;
                rest %= seconds;
            }
        }
        if self.seconds == 0 { f.write_str("0s") } else { Ok(()) }
    }
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DurationError::NotADuration => f.write_str("not a number with its unit"),
            DurationError::UnknownUnit(unit) => {
                write!(f, "`{unit}` is not one of s, m, h, d and w")
            }
            DurationError::TooLong => f.write_str("too long"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_one_way() {
        let say = |text: &str| Duration::parse(text).map(|duration| duration.to_string());
        for (text, said) in [
            ("3600s", "1h"),
            ("90m", "1h30m"),
            ("1h30m", "1h30m"),
            ("0s", "0s"),
            ("10days", "1w3d"),
        ] {
            assert_eq!(say(text).as_deref(), Ok(said), "{text}");
        }
        assert_eq!(say(""), Err(DurationError::NotADuration));
        assert_eq!(say("10"), Err(DurationError::NotADuration));
        assert_eq!(say("10ms"), Err(DurationError::UnknownUnit("ms".to_owned())));
        assert_eq!(say("9999999999s"), Err(DurationError::TooLong));
        assert_eq!(say("4294967295w"), Err(DurationError::TooLong));
    }
}
