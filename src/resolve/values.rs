//! Reads values as written: each fault is one finding at the value itself.

use jiff::civil::Date;

use super::policy::{CallId, LogLevel};
use super::{Resolver, messages};
use crate::net::address::{ParsedAddress, parse_addresses};
use crate::net::dscp::DSCP_NAMES;
use crate::net::port::{parse_port, parse_ports};
use crate::net::{
    Account, Dscp, Interface, Mac, MarkMatch, Minute, Ports, Rate, Weekday, Weekdays,
};
use crate::source::Span;
use crate::syntax::tree::{DayRange, DscpValue, LogLevel as LevelWord, MarkValue, Text, Value};
use crate::syntax::unquote;

impl<'a> Resolver<'a> {
    /// The text under a span.
    pub(super) fn text(&self, span: Span) -> &'a str {
        self.sources.text(span)
    }

    pub(super) fn read_ports(&mut self, value: Value) -> Option<Ports> {
        let text = self.text(value.0);
        parse_ports(text)
            .map_err(|error| self.report(messages::bad_port(value.0, text, &error)))
            .ok()
    }

    /// A packet length or a range of them: 0 to 65535, like ports.
    pub(super) fn read_lengths(&mut self, value: Value) -> Option<Ports> {
        let text = self.text(value.0);
        parse_ports(text)
            .map_err(|error| self.report(messages::bad_length(value.0, text, &error)))
            .ok()
    }

    pub(super) fn read_port(&mut self, value: Value) -> Option<u16> {
        let text = self.text(value.0);
        if text.contains('-') && parse_ports(text).is_ok() {
            self.report(messages::one_port_expected(value.0));
            return None;
        }
        parse_port(text)
            .map_err(|error| self.report(messages::bad_port(value.0, text, &error)))
            .ok()
    }

    /// A list of ports and ranges.
    pub(super) fn read_port_list(&mut self, values: &[Value]) -> Option<Ports> {
        let read: Vec<Option<Ports>> = values.iter().map(|value| self.read_ports(*value)).collect();
        let read: Vec<Ports> = read.into_iter().collect::<Option<_>>()?;
        let intervals = read.iter().flat_map(Ports::intervals).copied();
        Some(Ports::from_intervals(intervals))
    }

    /// Addresses; bits beyond the prefix are a warning that names the network taken.
    pub(super) fn read_addresses(&mut self, value: Value) -> Option<ParsedAddress> {
        let text = self.text(value.0);
        match parse_addresses(text) {
            Ok(parsed) => {
                if let Some(network) = parsed.host_bits {
                    self.report(messages::host_bits(value.0, text, network));
                }
                Some(parsed)
            }
            Err(error) => {
                self.report(messages::bad_address(value.0, text, &error));
                None
            }
        }
    }

    /// An interface as written, without a look at zones.
    pub(super) fn read_interface(&mut self, span: Span, text: &str) -> Option<Interface> {
        let error = match Interface::new(text) {
            Ok(interface) => return Some(interface),
            Err(error) => error,
        };
        self.report(messages::bad_interface(span, text, &error));
        None
    }

    /// A decimal or `0x` number of at most `max`.
    pub(super) fn read_number(
        &mut self,
        span: Span,
        what: &str,
        min: u32,
        max: u32,
    ) -> Option<u32> {
        let text = self.text(span);
        let number = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.report(messages::bad_number(span, text, what, min, max));
        }
        number
    }

    pub(super) fn read_byte(&mut self, span: Span, what: &str, max: u8) -> Option<u8> {
        let number = self.read_number(span, what, 0, u32::from(max))?;
        u8::try_from(number).ok()
    }

    pub(super) fn read_rate(&mut self, value: Value) -> Option<Rate> {
        let text = self.text(value.0);
        Rate::parse(text)
            .map_err(|error| self.report(messages::bad_rate(value.0, text, &error)))
            .ok()
    }

    pub(super) fn read_macs(&mut self, values: &[Value]) -> Option<Vec<Mac>> {
        let mut macs = Vec::new();
        for value in values {
            if let Some(mac) = Mac::parse(self.text(value.0)) {
                macs.push(mac);
            } else {
                self.report(messages::bad_mac(value.0, self.text(value.0)));
                return None;
            }
        }
        macs.sort_unstable();
        macs.dedup();
        Some(macs)
    }

    fn read_mark_and_mask(&mut self, mark: MarkValue) -> Option<(u32, u32)> {
        let value = self.read_number(mark.value.0, "mark", 0, u32::MAX)?;
        let mask = match mask_span(mark) {
            Some(span) => self.read_number(span, "mask", 0, u32::MAX)?,
            None => u32::MAX,
        };
        Some((value, mask))
    }

    /// A mark that is set; one that stays must not be 0.
    pub(super) fn read_new_mark(&mut self, mark: MarkValue, sticky: bool) -> Option<MarkMatch> {
        let (value, mask) = self.read_mark_and_mask(mark)?;
        let read = MarkMatch::new(value, mask);
        let finding = match (read, mark.mask) {
            (None, _) => messages::mark_not_in_mask(mark.value.0, value, mask),
            (Some(_), Some(at)) if mask == 0 => messages::empty_mask(at.0),
            (Some(_), _) if sticky && value == 0 => messages::sticky_nothing(mark.value.0),
            (Some(_), _) => return read,
        };
        self.report(finding);
        None
    }

    pub(super) fn read_mark(&mut self, mark: MarkValue) -> Option<MarkMatch> {
        let (value, mask) = self.read_mark_and_mask(mark)?;
        let read = MarkMatch::new(value, mask);
        if read.is_none() {
            self.report(messages::mark_outside_mask(mark.value.0, value, mask));
        }
        read
    }

    /// What `clamp mss` sets.
    pub(super) fn read_segment_size(&mut self, value: Value) -> Option<u16> {
        let read = self.read_number(value.0, "segment size", 1, MAX_SEGMENT)?;
        u16::try_from(read).ok()
    }

    /// A class by its name or number.
    pub(super) fn read_dscp(&mut self, value: DscpValue, env: Option<CallId>) -> Option<Dscp> {
        let text = self.text(value.0);
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return self.read_byte(value.0, "dscp class", Dscp::MAX).and_then(Dscp::new);
        }
        self.no_parameter(value.0, env)?;
        let read = Dscp::from_name(text);
        if read.is_none() {
            let known = DSCP_NAMES.map(|(name, _)| name);
            self.report(messages::unknown_word(value.0, text, "dscp class", &known));
        }
        read
    }

    /// `09:00-17:30`
    pub(super) fn read_hours(&mut self, value: Value) -> Option<(Minute, Minute)> {
        let text = self.text(value.0);
        let (start, end) = text.split_once('-').unwrap_or((text, ""));
        let hours = Minute::parse(start).zip(Minute::parse(end));
        if hours.is_none_or(|(start, end)| start == end) {
            self.report(messages::bad_hours(value.0, text, hours.is_some()));
            return None;
        }
        hours
    }

    /// `2026-12-31`
    pub(super) fn read_date(&mut self, value: Value) -> Option<Date> {
        let text = self.text(value.0);
        // The parser of dates takes other forms too.
        let plain = text.len() == "2026-12-31".len() && text.split('-').count() == 3;
        let read = text.parse().ok().filter(|_| plain);
        if read.is_none() {
            self.report(messages::bad_date(value.0, text));
        }
        read
    }

    /// `mon` or `mon-fri`
    pub(super) fn read_days(&mut self, range: DayRange) -> Option<Weekdays> {
        let text = self.text(range.0);
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let mut read = [None; 2];
        for (day, word) in read.iter_mut().zip([first, last]) {
            *day = Weekday::from_name(word);
            if day.is_none() {
                self.report(messages::unknown_word(range.0, word, "day", &Weekday::NAMES));
                return None;
            }
        }
        let [first, last] = read;
        Some(Weekdays::range(first?, last?))
    }

    /// A user or group.
    pub(super) fn read_account(&mut self, span: Span) -> Option<Account> {
        let text = self.text(span);
        let text = if text.starts_with('"') { &*unquote(text) } else { text };
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            // -1 is the kernel's "no id".
            let number = self.read_number(span, "user or group number", 0, u32::MAX - 1)?;
            return Some(Account::Number(number));
        }
        if text.is_empty() || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            self.report(messages::bad_account(span));
            return None;
        }
        Some(Account::named(text))
    }

    pub(super) fn read_log_level(&mut self, level: LevelWord) -> Option<LogLevel> {
        let text = self.text(level.0);
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return self.read_byte(level.0, "log level", 7).map(LogLevel);
        }
        let position = LOG_LEVELS.iter().position(|known| *known == text);
        if let Some(level) = position.and_then(|level| u8::try_from(level).ok()) {
            Some(LogLevel(level))
        } else {
            self.report(messages::bad_log_level(level.0, text, LOG_LEVELS));
            None
        }
    }

    /// What a string says, of at most `max` bytes that the kernel keeps and prints whole.
    pub(super) fn read_text(&mut self, text: Text, what: &str, max: usize) -> Option<String> {
        let said = unquote(self.text(text.0)).into_owned();
        if said.is_empty() {
            self.report(messages::empty_text(text.0, what));
            return None;
        }
        if said.chars().any(char::is_control) {
            self.report(messages::control_character(text.0, what));
            return None;
        }
        if said.len() > max {
            self.report(messages::text_too_long(text.0, what, said.len(), max));
            return None;
        }
        Some(said)
    }
}

/// The largest size that the TCPMSS target takes: beside it the headers of tcp and IPv4 fit into the
/// longest packet.
const MAX_SEGMENT: u32 = 65_535 - 40;

/// The levels of syslog by name, 0 first.
const LOG_LEVELS: &[&str] =
    &["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"];

fn mask_span(mark: MarkValue) -> Option<Span> {
    mark.mask.map(|mask| mask.0)
}
