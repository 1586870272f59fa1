//! `palisade services`: what the services of the standard library open.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use super::Outcome;
use super::failure::Stop;
use super::formats::Format;
use super::pipeline::{self, ServiceInfo};
use super::terminal::Terminal;
use crate::diagnostic::{json, nearest};

/// Columns wider than this are not padded for.
const MAX_WIDTH: usize = 36;

const EXAMPLES: &str = "\
Examples:
  palisade services              all of them
  palisade services ssh          one, by its name or an alias
  palisade services postgr       those with this in a name or description
  palisade services 5432         those that open a port
  palisade services udp 53       those that open it on udp";

/// Look up the services that policies can name
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Services {
    /// A name, or words and ports to search for
    #[arg(value_name = "NAME")]
    words: Vec<String>,

    /// How services are written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

impl Services {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<Outcome, Stop> {
        let services = pipeline::services();
        let words: Vec<String> = self
            .words
            .iter()
            .flat_map(|word| word.split_whitespace())
            .map(str::to_lowercase)
            .collect();
        let found = find(&services, &words);
        match self.format {
            Format::Json => terminal.print(&document(&found))?,
            Format::Human => match found {
                Found::One(service) => terminal.print(&whole(service))?,
                Found::Several(ref several) => terminal.print(&table(several))?,
            },
        }
        if matches!(&found, Found::Several(none) if none.is_empty()) {
            terminal.tell(&nothing_found(&services, &words.join(" ")));
            return Ok(Outcome::Undone);
        }
        Ok(Outcome::Clean)
    }
}

enum Found<'a> {
    /// Called by its name or an alias.
    One(&'a ServiceInfo),
    Several(Vec<&'a ServiceInfo>),
}

/// Every service without words; else the one so called; else those that fit all words.
fn find<'a>(services: &'a [ServiceInfo], words: &[String]) -> Found<'a> {
    if let [word] = words
        && let Some(service) = services.iter().find(|service| is_called(service, word))
    {
        return Found::One(service);
    }
    let fits = |service: &&ServiceInfo| words.iter().all(|word| fits(service, word));
    Found::Several(services.iter().filter(fits).collect())
}

fn names(service: &ServiceInfo) -> impl Iterator<Item = &str> {
    [&service.name].into_iter().chain(&service.aliases).map(String::as_str)
}

fn is_called(service: &ServiceInfo, word: &str) -> bool {
    names(service).any(|name| name.to_lowercase() == *word)
}

/// Whether a lower-case word is a port or protocol that the service opens, or is in what is said
/// about it.
fn fits(service: &ServiceInfo, word: &str) -> bool {
    if let Ok(port) = word.parse::<u16>() {
        return service.parts.iter().any(|part| opens(part, port));
    }
    let says = |text: &str| text.to_lowercase().contains(word);
    let is_protocol = |part: &String| part.split_whitespace().next() == Some(word);
    names(service).any(says)
        || says(&service.description)
        || service.tags.iter().any(|tag| tag.to_lowercase() == *word)
        || service.parts.iter().any(is_protocol)
}

/// Whether a part such as `tcp 22` or `udp 60000-61000` opens a port.
fn opens(part: &str, wanted: u16) -> bool {
    let ports = part.split([' ', ',']).filter_map(|word| {
        let (low, high) = word.split_once('-').unwrap_or((word, word));
        Some(low.parse::<u16>().ok()?..=high.parse::<u16>().ok()?)
    });
    let named_port = ["tcp ", "udp ", "sctp "].iter().any(|protocol| part.starts_with(protocol));
    named_port && ports.into_iter().any(|range| range.contains(&wanted))
}

/// One line a service, in columns.
fn table(services: &[&ServiceInfo]) -> String {
    let called = |service: &ServiceInfo| match service.aliases.as_slice() {
        [] => service.name.clone(),
        aliases => format!("{} ({})", service.name, aliases.join(", ")),
    };
    let rows: Vec<(String, String, &str)> = services
        .iter()
        .map(|service| (called(service), service.parts.join(", "), service.description.as_str()))
        .collect();
    let width = |cell: fn(&(String, String, &str)) -> usize| {
        rows.iter().map(cell).filter(|width| *width <= MAX_WIDTH).max().unwrap_or(0)
    };
    let (first, second) = (width(|row| row.0.chars().count()), width(|row| row.1.chars().count()));
    let mut table = String::new();
    for (called, opens, description) in &rows {
        let line = format!("{called:first$}  {opens:second$}  {description}");
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

/// All that is known about one service.
fn whole(service: &ServiceInfo) -> String {
    let mut text = format!("{}: {}\n\n", service.name, service.description);
    let mut row = |word: &str, said: &str| {
        if !said.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{word:9}  {said}");
        }
    };
    row("opens", &service.parts.join(", "));
    row("aliases", &service.aliases.join(", "));
    row("tags", &service.tags.join(", "));
    row("file", &service.file);
    let definition = service.definition.trim_end();
    format!("{text}\n{definition}\n")
}

fn nothing_found(services: &[ServiceInfo], query: &str) -> String {
    let help = match nearest(query, services.iter().flat_map(names)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "a service of your own is one line: `service shop = tcp 8080`".to_owned(),
    };
    format!("no service fits `{query}`\n  = help: {help}\n")
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    services: Vec<ServiceOut<'a>>,
}

#[derive(Serialize)]
struct ServiceOut<'a> {
    name: &'a str,
    aliases: &'a [String],
    tags: &'a [String],
    description: &'a str,
    parts: &'a [String],
    definition: &'a str,
    file: &'a str,
}

fn document(found: &Found<'_>) -> String {
    let services = match found {
        Found::One(service) => std::slice::from_ref(service),
        Found::Several(several) => several.as_slice(),
    };
    let services = services
        .iter()
        .map(|service| ServiceOut {
            name: &service.name,
            aliases: &service.aliases,
            tags: &service.tags,
            description: &service.description,
            parts: &service.parts,
            definition: &service.definition,
            file: &service.file,
        })
        .collect();
    json::pretty(&Document { version: 1, services })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> Vec<ServiceInfo> {
        let service = |name: &str, aliases: &[&str], parts: &[&str], description: &str| {
            let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            ServiceInfo {
                name: name.to_owned(),
                aliases: list(aliases),
                tags: list(&["remote"]),
                description: description.to_owned(),
                definition: format!("service {name} = {}", parts.join(", ")),
                parts: list(parts),
                file: "services/x.fw".to_owned(),
            }
        };
        vec![
            service("dns", &["domain"], &["udp 53", "tcp 53"], "Domain Name System"),
            service("mosh", &[], &["udp 60000-61000"], "Mobile shell"),
            service("postgres", &["postgresql"], &["tcp 5432"], "PostgreSQL database"),
            service("ping", &[], &["icmp 8", "icmpv6 128"], "Echo"),
        ]
    }

    fn found(query: &str) -> Vec<String> {
        let words: Vec<String> = query.split_whitespace().map(str::to_owned).collect();
        match find(&library(), &words) {
            Found::One(service) => vec![format!("one {}", service.name)],
            Found::Several(several) => several.iter().map(|s| s.name.clone()).collect(),
        }
    }

    #[test]
    fn services_are_found_by_name_word_and_port() {
        assert_eq!(found("postgresql"), ["one postgres"]);
        assert_eq!(found("postgr"), ["postgres"]);
        assert_eq!(found("database"), ["postgres"]);
        assert_eq!(found("5432"), ["postgres"]);
        assert_eq!(found("60500"), ["mosh"]);
        assert_eq!(found("udp 53"), ["dns"]);
        assert_eq!(found("tcp"), ["dns", "postgres"]);
        assert_eq!(found("8"), [""; 0]);
        assert_eq!(found("sctp 53"), [""; 0]);
        assert_eq!(found("").len(), 4);
    }

    #[test]
    fn the_table_has_one_aligned_line_a_service() {
        let library = library();
        let all: Vec<&ServiceInfo> = library.iter().collect();
        insta::assert_snapshot!(table(&all), @r"
        dns (domain)           udp 53, tcp 53      Domain Name System
        mosh                   udp 60000-61000     Mobile shell
        postgres (postgresql)  tcp 5432            PostgreSQL database
        ping                   icmp 8, icmpv6 128  Echo
        ");
    }

    #[test]
    fn one_service_is_shown_whole() {
        insta::assert_snapshot!(whole(&library()[0]), @r"
        dns: Domain Name System

        opens      udp 53, tcp 53
        aliases    domain
        tags       remote
        file       services/x.fw

        service dns = udp 53, tcp 53
        ");
    }

    #[test]
    fn a_slip_is_answered() {
        assert!(nothing_found(&library(), "postgrse").contains("did you mean `postgres`?"));
        assert!(nothing_found(&library(), "9").starts_with("no service fits `9`"));
    }
}
