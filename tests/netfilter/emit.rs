//! What `emit` prints, loaded by the real tools and printed back by them.

use crate::everything::{HOSTILE, everything};
use crate::namespace::{in_namespace, tools};
use palisade::emit::{Header, iptables, nft};
use palisade::net::Family;
use palisade::source::Sources;

fn header() -> Header {
    Header {
        version: "0.1.0".to_owned(),
        digest: "00ff".to_owned(),
        notes: vec!["a note\nin two lines".to_owned()],
    }
}

/// The tables of a rules file, each without `#` lines and with its chains in the order of their
/// names, as `iptables-save` sorts the own ones; rules stay in order within their chain.
fn tables(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut tables: Vec<Vec<&str>> = lines.split(|line| *line == "COMMIT").map(Vec::from).collect();
    let chain_of = |line: &&str| match line.strip_prefix("-A ") {
        Some(rest) => (2, rest.split(' ').next().unwrap_or_default().to_owned()),
        None => (u8::from(line.starts_with(':')), (*line).to_owned()),
    };
    for table in &mut tables {
        table.sort_by_key(chain_of);
    }
    tables.retain(|table| !table.is_empty());
    tables.sort_by_key(|table| table[0].to_owned());
    tables
}

fn round_trip(family: Family, backend: &str) {
    let tool = match family {
        Family::V4 => format!("iptables-{backend}"),
        Family::V6 => format!("ip6tables-{backend}"),
    };
    if !tools(&[&format!("{tool}-restore"), &format!("{tool}-save")]) {
        return;
    }
    let printed = iptables(&everything(family, HOSTILE), &header(), &Sources::new());
    let script = format!("{tool}-restore && {tool}-save");
    let (loaded, saved, complaints) = in_namespace(&script, &printed);
    assert!(loaded, "{tool}-restore refused it: {complaints}");
    assert_eq!(tables(&printed).len(), tables(&saved).len());
    for (ours, theirs) in tables(&printed).iter().zip(tables(&saved)) {
        for (line, saved) in ours.iter().zip(&theirs) {
            assert_eq!(line, saved, "{tool}");
        }
        assert_eq!(ours.len(), theirs.len(), "{tool}");
    }
}

#[test]
fn iptables_legacy_prints_the_same_back() {
    round_trip(Family::V4, "legacy");
}

#[test]
fn iptables_nft_prints_the_same_back() {
    round_trip(Family::V4, "nft");
}

#[test]
fn ip6tables_legacy_prints_the_same_back() {
    round_trip(Family::V6, "legacy");
}

#[test]
fn ip6tables_nft_prints_the_same_back() {
    round_trip(Family::V6, "nft");
}

#[test]
fn nft_loads_the_translation_twice() {
    if !tools(&["nft"]) {
        return;
    }
    let prefixes: Vec<&str> =
        HOSTILE.iter().copied().filter(|text| !text.contains(['$', '"'])).collect();
    let [v4, v6] = Family::BOTH.map(|family| everything(family, &prefixes));
    let text = match nft(&v4, &v6, &header(), &Sources::new()) {
        Ok(text) => text,
        Err(problems) => panic!("{problems:#?}"),
    };
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &text).expect("written");
    let path = file.path().display();
    let script = format!("nft -c -f {path} && nft -f {path} && nft -f {path} && nft list ruleset");
    let (loaded, listed, complaints) = in_namespace(&script, "");
    assert!(loaded, "nft refused it: {complaints}");
    let lines = |text: &str| {
        let rule = |line: &&str| line.starts_with("\t\t") && !line.starts_with("\t\t#");
        text.lines().filter(rule).filter(|line| !line.trim_start().starts_with("type ")).count()
    };
    assert!(lines(&listed) >= lines(&text), "rules are missing:\n{listed}");
}
