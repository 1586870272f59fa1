//! When a rule holds: hours of the day on days of the week.

use std::fmt;

/// A day of the week, Monday first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weekday(u8);

impl Weekday {
    pub const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let day = Self::NAMES.iter().position(|known| *known == name)?;
        u8::try_from(day).ok().map(Weekday)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self.0)]
    }

    /// 0 for Monday to 6 for Sunday.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// Some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weekdays(u8);

impl Weekdays {
    const ALL: u8 = 0b111_1111;

    /// From one day to another, over the end of the week where the second comes first.
    #[must_use]
    pub fn range(first: Weekday, last: Weekday) -> Self {
        let length = (last.0 + 7 - first.0) % 7;
        Weekdays((0..=length).fold(0, |days, step| days | 1 << ((first.0 + step) % 7)))
    }

    #[must_use]
    pub fn every_day() -> Self {
        Weekdays(Self::ALL)
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Weekdays(self.0 | other.0)
    }

    /// The day after each of them.
    #[must_use]
    pub fn next_days(self) -> Self {
        Weekdays((self.0 << 1 | self.0 >> 6) & Self::ALL)
    }

    #[must_use]
    pub fn is_every_day(self) -> bool {
        self.0 == Self::ALL
    }

    /// From Monday on.
    pub fn iter(self) -> impl Iterator<Item = Weekday> {
        (0..7).map(Weekday).filter(move |day| self.0 >> day.0 & 1 == 1)
    }
}

/// A minute of the day, 00:00 to 23:59.
// INVARIANT: below 1,440.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(u16);

impl Minute {
    /// Reads `09:00` or `9:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str, digits: std::ops::RangeInclusive<usize>, below: u16| {
            let plain = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u16>().ok().filter(|number| plain && *number < below)
        };
        Some(Minute(number(hours, 1..=2, 24)? * 60 + number(minutes, 2..=2, 60)?))
    }
}

impl Minute {
    /// Of the day, at which the minute begins.
    #[must_use]
    pub fn seconds(self) -> u32 {
        u32::from(self.0) * 60
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A time window that comes back every week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeWindow {
    /// From the start of the first minute to the start of the last. Where the last is the earlier
    /// one the window goes on past midnight, and belongs to the day on which it began.
    pub hours: Option<(Minute, Minute)>,
    // INVARIANT: never empty.
    pub days: Weekdays,
    /// By the clock of the kernel's time zone instead of UTC.
    pub local: bool,
}

impl TimeWindow {
    /// Whether it goes on past midnight.
    #[must_use]
    pub fn wraps(&self) -> bool {
        self.hours.is_some_and(|(start, end)| end < start)
    }
}

impl fmt::Display for TimeWindow {
    /// One text for one window: `22:00-06:00 mon,tue local`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.hours.map(|(start, end)| format!("{start}-{end}")));
        if !self.days.is_every_day() {
            words.push(self.days.iter().map(Weekday::name).collect::<Vec<_>>().join(","));
        }
        words.push(if self.local { "local" } else { "utc" }.to_owned());
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(name: &str) -> Weekday {
        Weekday::from_name(name).unwrap()
    }

    #[test]
    fn days_go_over_the_end_of_the_week() {
        let names = |days: Weekdays| days.iter().map(Weekday::name).collect::<Vec<_>>();
        assert_eq!(names(Weekdays::range(day("fri"), day("mon"))), ["mon", "fri", "sat", "sun"]);
        assert_eq!(names(Weekdays::range(day("tue"), day("tue"))), ["tue"]);
        assert_eq!(names(Weekdays::range(day("sat"), day("sun")).next_days()), ["mon", "sun"]);
        assert!(Weekdays::range(day("mon"), day("sun")).is_every_day());
    }

    #[test]
    fn a_minute_is_written_with_a_colon() {
        assert_eq!(Minute::parse("9:05").map(|at| at.to_string()).as_deref(), Some("09:05"));
        for text in ["24:00", "12:60", "12:5", "012:05", "+1:00", "12", ":", "1:2:3"] {
            assert_eq!(Minute::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_window_says_itself() {
        let hours = Minute::parse("22:00").zip(Minute::parse("06:00"));
        let window =
            TimeWindow { hours, days: Weekdays::range(day("mon"), day("tue")), local: true };
        assert_eq!(window.to_string(), "22:00-06:00 mon,tue local");
        assert!(window.wraps());
        let always = TimeWindow { hours: None, days: Weekdays::every_day(), local: false };
        assert_eq!(always.to_string(), "utc");
    }
}
