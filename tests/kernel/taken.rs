//! The kernel takes every output there is, and then has what was written, line for line.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;

use palisade::emit::{self, Header};
use palisade::net::Family;
use palisade::source::Sources;

use crate::compiled::{Compiled, compile};
use crate::everything::{HOSTILE, everything};
use crate::load::{Rules, Variant, nft, nft_listed, restore, restore_sets, save};
use crate::netns::Namespace;
use crate::normal::normalise;
use crate::{generate, hand, need};

/// Where there are policies. What is below `tests/cases` may be refused: that is then the case.
const FOLDERS: [&str; 3] = ["examples", "docs", "tests/cases"];

/// How many generated policies, of those that are not refused.
const GENERATED: usize = 60;

/// The rules load in a new namespace, read back as they were written, and loading them once more
/// changes nothing.
fn takes(variant: Variant, rules: &Rules) {
    let namespace = Namespace::new();
    for time in ["first", "second"] {
        restore_sets(&namespace, &rules.sets)
            .unwrap_or_else(|error| panic!("{time} load: {error}\n{}", rules.sets));
        for family in Family::BOTH {
            let written = normalise(rules.of(family));
            let place = format!("{time} load, {variant:?} {family:?}");
            restore(&namespace, variant, family, rules.of(family))
                .unwrap_or_else(|error| panic!("{place}: {error}\n{}", rules.of(family)));
            let saved = normalise(&save(&namespace, variant, family));
            assert!(saved == written, "{place}: {}", difference(&saved, &written));
        }
    }
}

/// The first line in which two rules files differ.
fn difference(saved: &str, written: &str) -> String {
    let mut lines = saved.lines().zip(written.lines());
    match lines.find(|(saved, written)| saved != written) {
        Some((saved, written)) => format!("written {written:?}, saved {saved:?}"),
        None => format!("one is longer:\nwritten\n{written}\nsaved\n{saved}"),
    }
}

/// The same for native rules, which nft prints back in words of its own: it has as many rules as
/// were written, and the same after a second load.
fn takes_native(rules: &str) {
    let namespace = Namespace::new();
    let mut listed = None;
    for time in ["first", "second"] {
        nft(&namespace, rules).unwrap_or_else(|error| panic!("{time} load: {error}\n{rules}"));
        let now = without_handles(nft_listed(&namespace));
        assert_eq!(count(&now, "rule"), lines_of_rules(rules), "{time} load: {now:#?}\n{rules}");
        assert_eq!(count(&now, "table"), 2, "{time} load: {now:#?}");
        assert!(listed.is_none_or(|before| before == now), "the second load changed {now:#?}");
        listed = Some(now);
    }
}

/// The objects of a listing without the numbers by which the kernel knows them.
fn without_handles(listed: serde_json::Value) -> Vec<serde_json::Value> {
    let serde_json::Value::Object(mut listed) = listed else { panic!("{listed} is no listing") };
    let serde_json::Value::Array(mut objects) = listed["nftables"].take() else {
        panic!("{listed:?} is no listing")
    };
    for fields in
        objects.iter_mut().filter_map(|object| object.as_object_mut()?.values_mut().next())
    {
        fields.as_object_mut().map(|fields| fields.remove("handle"));
    }
    objects
}

fn count(objects: &[serde_json::Value], kind: &str) -> usize {
    objects.iter().filter(|object| object.get(kind).is_some()).count()
}

fn lines_of_rules(text: &str) -> usize {
    let mut chain = false;
    let is_rule = |line: &&str| {
        chain = (chain || line.starts_with("\tchain ")) && *line != "\t}";
        let said = line.strip_prefix("\t\t").filter(|_| chain);
        said.is_some_and(|line| !line.starts_with('#') && !line.starts_with("type "))
    };
    text.lines().filter(is_rule).count()
}

/// Each variant, and nft itself, by a thread of its own.
fn all_take(policies: &[(String, Compiled)]) {
    let each = |take: &dyn Fn(&Compiled)| {
        for (name, compiled) in policies {
            // Shown when what follows fails.
            println!("{name}:");
            take(compiled);
        }
    };
    thread::scope(|scope| {
        for variant in Variant::ALL {
            scope.spawn(move || each(&|compiled| takes(variant, &compiled.rules)));
        }
        scope.spawn(|| each(&|compiled| compiled.nft.iter().for_each(|text| takes_native(text))));
    });
}

fn policies_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            found.extend(policies_below(&path));
        } else if path.extension().is_some_and(|ending| ending == "fw") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn written_policies_are_taken() {
    if !need::met() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = FOLDERS.iter().flat_map(|folder| policies_below(&root.join(folder)));
    let named = |path: PathBuf| Some((path.display().to_string(), compile(&path)?));
    let policies: Vec<_> = files.filter_map(named).collect();
    eprintln!("{} written policies", policies.len());
    let examples = policies_below(&root.join("examples"));
    for example in &examples {
        let name = example.display().to_string();
        assert!(policies.iter().any(|(compiled, _)| *compiled == name), "{name} is refused");
    }
    assert!(examples.len() >= 5, "only {examples:?}");
    all_take(&policies);
}

#[test]
fn generated_policies_are_taken() {
    if !need::met() {
        return;
    }
    let named = |seed: u64| {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        file.write_all(generate::policy(seed).as_bytes()).expect("and written");
        Some((format!("the policy of seed {seed}"), compile(file.path())?))
    };
    let policies: Vec<_> = (0..1000).filter_map(named).take(GENERATED).collect();
    let native = policies.iter().filter(|(_, compiled)| compiled.nft.is_some()).count();
    eprintln!("{} generated policies, {native} of them also in the words of nft", policies.len());
    assert!(policies.len() == GENERATED && native >= 25, "too few policies are compiled");
    all_take(&policies);
}

#[test]
fn rules_by_hand_are_taken() {
    if need::met() {
        for rules in [hand::ssh_only(), hand::web(), hand::router(), hand::published()] {
            for variant in Variant::ALL {
                takes(variant, &rules);
            }
        }
    }
}

#[test]
fn everything_that_can_be_printed_is_taken() {
    if !need::met() {
        return;
    }
    let header = Header {
        version: "0.1.0".to_owned(),
        digest: "00ff".to_owned(),
        notes: vec!["a note\nin two lines".to_owned()],
    };
    let sources = Sources::new();
    let [v4, v6] = Family::BOTH.map(|family| everything(family, HOSTILE));
    let rules = Rules {
        sets: emit::ipsets(&v4, &v6, &header, &sources),
        v4: emit::iptables(&v4, &header, &sources),
        v6: emit::iptables(&v6, &header, &sources),
    };
    for variant in Variant::ALL {
        takes(variant, &rules);
    }

    let said: Vec<&str> =
        HOSTILE.iter().copied().filter(|text| !text.contains(['$', '"'])).collect();
    let [v4, v6] = Family::BOTH.map(|family| everything(family, &said));
    let native = emit::nft(&v4, &v6, &header, &sources);
    takes_native(&native.unwrap_or_else(|problems| panic!("{problems:#?}")));
}

#[test]
fn rules_that_are_refused_are_reported() {
    if need::met() {
        let namespace = Namespace::new();
        for variant in Variant::ALL {
            for family in Family::BOTH {
                let error = restore(&namespace, variant, family, "*filter\n-A INPUT -j NOWHERE\n");
                assert!(error.is_err(), "{variant:?} {family:?} took a jump to nowhere");
            }
        }
        assert!(nft(&namespace, "table ip x {\n\tchain y { jump nowhere\n }\n}\n").is_err());
    }
}
