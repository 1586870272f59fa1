//! The options of a raw rule that we know: which mean something else than a rule, which the kernel
//! takes only in some chains, which values the tools would cut or misread.

use std::net::IpAddr;

use super::super::{Resolver, messages};
use super::words::{Value, Word, Words};
use super::{Chain, Place};
use crate::net::{Family, Interface};
use crate::ruleset::{MAX_COMMENT, MAX_LOG_PREFIX, Standing, TableName};
use crate::source::Span;

/// Options of one letter that are about a rule: `-n`, `-v` and the commands are not.
const RULE_LETTERS: [char; 10] = ['p', 's', 'd', 'i', 'o', 'm', 'j', 'g', 'f', 'c'];

/// Long options that are not about a rule: commands, the table, the tool itself. `--help` would end
/// the tool with success, and nothing would be loaded.
const NOT_OF_A_RULE: [&str; 24] = [
    "append",
    "check",
    "delete",
    "delete-chain",
    "exact",
    "flush",
    "help",
    "insert",
    "ipv4",
    "ipv6",
    "line-numbers",
    "list",
    "list-rules",
    "modprobe",
    "new-chain",
    "numeric",
    "policy",
    "rename-chain",
    "replace",
    "table",
    "verbose",
    "version",
    "wait",
    "zero",
];

/// Longest NFLOG prefix that the legacy tools keep.
const MAX_NFLOG_PREFIX: usize = 63;

/// Options that look at ports.
const PORTS: [&str; 7] = [
    "--dport",
    "--sport",
    "--destination-port",
    "--source-port",
    "--dports",
    "--sports",
    "--ports",
];

/// The protocols that have ports, by the words and numbers of `-p`.
const WITH_PORTS: [&str; 10] =
    ["tcp", "6", "udp", "17", "sctp", "132", "dccp", "33", "udplite", "136"];

/// Options with exactly one value.
const OF_ONE_VALUE: [&str; 16] = [
    "-s",
    "--source",
    "--src",
    "-d",
    "--destination",
    "--dst",
    "-i",
    "--in-interface",
    "-o",
    "--out-interface",
    "-p",
    "--protocol",
    "--proto",
    "-m",
    "--match",
    "--dport",
];

/// Long options of each rule, of which the tools before 1.8.11 take the value only as a word of its own.
const OF_EACH_RULE: [&str; 11] = [
    "--source",
    "--src",
    "--destination",
    "--dst",
    "--in-interface",
    "--out-interface",
    "--protocol",
    "--proto",
    "--jump",
    "--goto",
    "--match",
];

impl Words {
    /// Whether a word that is no option stands where an option must: at the beginning, or behind an
    /// option that has its value.
    fn is_stray(&self, at: usize) -> bool {
        let option = at.checked_sub(2).and_then(|option| self.list.get(option));
        let is_option = |text: &str| text.starts_with('-') || text == "!";
        !is_option(&self.list[at].text)
            && match (at, option) {
                (0, _) => true,
                (_, None) => false,
                (_, Some(option)) => {
                    let has_value = !is_option(&self.list[at - 1].text);
                    has_value && OF_ONE_VALUE.contains(&option.text.as_str())
                }
            }
    }

    /// Whether a long option, given without its `--`, is there, with the value when one is given.
    fn asks(&self, option: &str, value: Option<&str>) -> bool {
        (0..self.list.len()).filter(|at| self.is_option(&self.list[*at])).any(|at| {
            let (name, given) = self.option(at);
            let has = |value| given.is_some_and(|given| given.text == value);
            name.strip_prefix("--") == Some(option) && value.is_none_or(has)
        })
    }

    /// Whether the rule asks for one of these protocols, by name or number.
    pub fn has_protocol(&self, names: &[&str]) -> bool {
        let is_asked = |(at, word): (usize, &Word)| {
            let negated = at > 0 && self.list[at - 1].text == "!";
            let value = self.list.get(at + 1).map(|value| value.text.to_ascii_lowercase());
            let is_option = ["-p", "--protocol", "--proto"].contains(&word.text.as_str());
            is_option && !negated && value.is_some_and(|value| names.contains(&value.as_str()))
        };
        self.list.iter().enumerate().any(is_asked)
    }
}

impl Resolver<'_> {
    pub(super) fn check_raw_options(&mut self, place: &Place, words: &Words) -> Option<()> {
        for (at, word) in words.list.iter().enumerate() {
            if !words.is_option(word) {
                if words.is_stray(at) {
                    self.report(messages::stray_raw_word(word.span, &word.text));
                    return None;
                }
                continue;
            }
            self.check_of_a_rule(word)?;
            let (option, value) = words.option(at);
            match option {
                "-s" | "--source" | "--src" | "-d" | "--destination" | "--dst" => {
                    self.check_raw_addresses(place, word, value)?;
                }
                "-i" | "--in-interface" => {
                    self.check_raw_interface(place, words, (word, "-i"), value)?;
                }
                "-o" | "--out-interface" => {
                    self.check_raw_interface(place, words, (word, "-o"), value)?;
                }
                "-p" | "--protocol" | "--proto" => self.check_raw_protocol(place, word, value)?,
                "-m" | "--match" => self.check_raw_module(place, words, word, value)?,
                "-f" | "--fragment" | "--fragments" => {
                    self.check_raw_standing(place, words, "-f", (word.span, &word.text))?;
                }
                "--comment" => self.check_raw_length(word, value, MAX_COMMENT)?,
                "--log-prefix" => self.check_raw_length(word, value, MAX_LOG_PREFIX)?,
                "--nflog-prefix" => self.check_raw_length(word, value, MAX_NFLOG_PREFIX)?,
                option if PORTS.contains(&option) && !words.has_protocol(&WITH_PORTS) => {
                    self.report(messages::raw_needs(word.span, option, "-p tcp"));
                    return None;
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Whether the option is about a rule at all.
    fn check_of_a_rule(&mut self, word: &Word) -> Option<()> {
        let foreign = match word.text.strip_prefix("--") {
            Some(long) => NOT_OF_A_RULE.contains(&long.split('=').next().unwrap_or_default()),
            None => {
                let letter = word.text[1..].chars().next();
                // A number below zero is a value, but for the families.
                let number = letter.is_some_and(|c| c.is_ascii_digit());
                let family = ["-4", "-6"].contains(&word.text.as_str());
                family || (!number && letter.is_some_and(|c| !RULE_LETTERS.contains(&c)))
            }
        };
        // The tools know these by the beginnings of their names too; they would not be looked at here.
        let name = word.text.split('=').next().unwrap_or_default();
        let goes = ["--jump", "--goto"].into_iter().find(|long| long.starts_with(name));
        if let Some(whole) = goes.filter(|whole| *whole != name && name.len() > "--".len()) {
            self.report(messages::shortened_raw_option(word.span, name, whole));
            return None;
        }
        if let Some((name, value)) = word.inline().filter(|(name, _)| OF_EACH_RULE.contains(name)) {
            self.report(messages::raw_value_behind_sign(word.span, name, value.text));
            return None;
        }
        // `-ptcp` is read by the tools as `-p tcp`, and would not be looked at here.
        let glued = !word.text.starts_with("--") && word.text.chars().count() > 2;
        if foreign {
            self.report(messages::not_of_a_raw_rule(word.span, &word.text));
        } else if glued && !word.text[1..].starts_with(|c: char| c.is_ascii_digit()) {
            self.report(messages::glued_raw_option(word.span, &word.text));
        } else {
            return Some(());
        }
        None
    }

    fn raw_value<'w>(&mut self, option: &Word, value: Option<Value<'w>>) -> Option<Value<'w>> {
        if value.is_none() {
            self.report(messages::raw_without_value(option.span, &option.text));
        }
        value
    }

    /// Addresses by commas, each with its mask; a name would be looked up by whoever loads the rules.
    fn check_raw_addresses(
        &mut self,
        place: &Place,
        option: &Word,
        value: Option<Value<'_>>,
    ) -> Option<()> {
        let value = self.raw_value(option, value)?;
        for part in value.text.split(',') {
            let address = part.split('/').next().unwrap_or_default();
            let finding = match address.parse::<IpAddr>() {
                Ok(address) if Family::of(address) == place.family => continue,
                Ok(address) => messages::raw_of_other_family(value.span, part, Family::of(address)),
                Err(_) => messages::raw_host_name(value.span, part),
            };
            self.report(finding);
            return None;
        }
        Some(())
    }

    /// Whether the kernel takes something here: an option, a match, a target, by its name in the table and
    /// as the rule says it.
    pub(super) fn check_raw_standing(
        &mut self,
        place: &Place,
        words: &Words,
        name: &str,
        (at, said): (Span, &str),
    ) -> Option<()> {
        let table = place.table.name();
        let table = TableName::ALL.into_iter().find(|known| known.name() == table)?;
        let chain = match place.chain {
            Chain::Kernel(chain) => Some(chain.name()),
            Chain::User(_) => None,
        };
        let asks = |option: &str, value: Option<&str>| words.asks(option, value);
        for standing in Standing::of(name).iter().filter(|standing| standing.is_about(asks)) {
            let finding = match standing.family.filter(|family| *family != place.family) {
                Some(family) => messages::raw_of_other_family(at, said, family),
                None if standing.takes(table, chain) => continue,
                None => {
                    let is_target = name.starts_with(|c: char| c.is_ascii_uppercase());
                    let what = if is_target { name.to_owned() } else { format!("`{said}`") };
                    messages::misplaced_raw(at, &what, &standing.place())
                }
            };
            self.report(finding);
            return None;
        }
        Some(())
    }

    /// In chains of the policy the kernel takes both interfaces.
    fn check_raw_interface(
        &mut self,
        place: &Place,
        words: &Words,
        (option, name): (&Word, &str),
        value: Option<Value<'_>>,
    ) -> Option<()> {
        let value = self.raw_value(option, value)?;
        if let Err(error) = Interface::new(value.text) {
            self.report(messages::bad_interface(value.span, value.text, &error));
            return None;
        }
        self.check_raw_standing(place, words, name, (option.span, &option.text))
    }

    fn check_raw_protocol(
        &mut self,
        place: &Place,
        option: &Word,
        value: Option<Value<'_>>,
    ) -> Option<()> {
        let value = self.raw_value(option, value)?;
        let family = match value.text.to_ascii_lowercase().as_str() {
            "icmp" => Family::V4,
            "icmpv6" | "ipv6-icmp" => Family::V6,
            _ => return Some(()),
        };
        if family != place.family {
            self.report(messages::raw_of_other_family(value.span, value.text, family));
            return None;
        }
        Some(())
    }

    fn check_raw_module(
        &mut self,
        place: &Place,
        words: &Words,
        option: &Word,
        value: Option<Value<'_>>,
    ) -> Option<()> {
        let value = self.raw_value(option, value)?;
        let what = format!("-m {}", value.text);
        self.check_raw_standing(place, words, value.text, (value.span, &what))
    }

    /// The kernel cuts longer texts without a word.
    fn check_raw_length(
        &mut self,
        option: &Word,
        value: Option<Value<'_>>,
        most: usize,
    ) -> Option<()> {
        let value = self.raw_value(option, value)?;
        if value.text.len() > most {
            let name = option.inline().map_or(&*option.text, |(name, _)| name);
            let what = name.trim_start_matches('-').replace('-', " ");
            self.report(messages::text_too_long(value.span, &what, value.text.len(), most));
            return None;
        }
        Some(())
    }
}
