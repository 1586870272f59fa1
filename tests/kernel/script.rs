//! The script `load` beside the rules: what it changes, and what it leaves alone.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use palisade::net::Family;
use tempfile::TempDir;

use crate::load::{Rules, Variant, restore, save, save_with_counters};
use crate::netns::Namespace;
use crate::normal::normalise;
use crate::probe::{Outcome, Probe};
use crate::serve::Service;
use crate::world::{V4, V6, World};
use crate::{compiled, need, others};

/// Runs the script of a folder, by `sh`; what it writes to standard error is the error.
pub fn load(namespace: &Namespace, variant: Variant, folder: &Path) -> Result<(), String> {
    let script = folder.join("load").to_string_lossy().into_owned();
    run(namespace, variant, &["sh", &script])
}

fn run(namespace: &Namespace, variant: Variant, command: &[&str]) -> Result<(), String> {
    let tools = match variant {
        Variant::Legacy => ["IPTABLES=iptables-legacy", "IP6TABLES=ip6tables-legacy"],
        Variant::Nft => ["IPTABLES=iptables-nft", "IP6TABLES=ip6tables-nft"],
    };
    namespace.output("env", &[&tools[..], command].concat(), "").map(drop)
}

pub fn loaded(namespace: &Namespace, variant: Variant, folder: &Path) {
    load(namespace, variant, folder).unwrap_or_else(|error| panic!("{variant:?}: {error}"));
}

/// The outputs of a policy, in a folder that is gone after the test.
pub fn built(policy: &str) -> TempDir {
    compiled::folder(policy).unwrap_or_else(|| panic!("{policy} is refused"))
}

fn rules(folder: &Path) -> Rules {
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("was written");
    Rules { sets: read("ipsets"), v4: read("rules.v4"), v6: read("rules.v6") }
}

/// Puts a text in the place of another in a file of the outputs.
fn spoil(folder: &Path, file: &str, right: &str, wrong: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).expect("was written");
    assert!(text.contains(right), "there is no {right:?} in {text}");
    fs::write(path, text.replacen(right, wrong, 1)).expect("can be written");
}

/// What both families have, as the tools print it, but for tables that are as the kernel makes them:
/// to ask for one is enough to make it.
fn both(namespace: &Namespace, variant: Variant) -> String {
    let all = Family::BOTH.map(|family| normalise(&save(namespace, variant, family))).concat();
    let tables = all.split_inclusive("COMMIT\n");
    let is_changed = |table: &&str| {
        let lines = table.lines().filter(|line| !line.starts_with('*') && *line != "COMMIT");
        lines.into_iter().any(|line| !line.starts_with(':') || !line.ends_with(" ACCEPT"))
    };
    tables.filter(is_changed).collect()
}

/// What of the rules of both families is not the policy's: no chain of it, no jump to one, no policy
/// of a chain, and no table where then nothing is left.
fn foreign(namespace: &Namespace, variant: Variant) -> String {
    let mut text = String::new();
    for family in Family::BOTH {
        let mut table = Vec::new();
        let saved = save_with_counters(namespace, variant, family);
        for line in saved.lines().filter(|line| !line.starts_with('#')) {
            let rule = line.split_once("] ").map_or(line, |(_, rule)| rule);
            let words: Vec<&str> = rule.split(' ').collect();
            let jump = words.len() == 4 && words[2] == "-j" && words[3].starts_with("pal-");
            let own = rule.starts_with(":pal-") || rule.starts_with("-A pal-") || jump;
            let built_in = rule.starts_with(':') && words[1] != "-";
            match line {
                "COMMIT" if table.len() > 1 => text.extend(table.drain(..)),
                "COMMIT" => table.clear(),
                _ if own || built_in => {}
                _ => table.push(format!("{line}\n")),
            }
        }
    }
    text
}

/// The lines that have to do with chains of the policy.
fn own(rules: &str) -> Vec<String> {
    // One of the others' comments speaks of such a chain, to see whether it is taken for a jump.
    let is_own = |line: &&str| line.contains("pal-") && !line.contains("comment");
    rules.lines().filter(is_own).map(str::to_owned).collect()
}

const OTHERS: &str = "preserve docker, kubernetes, libvirt, fail2ban\n";

/// With every table and a generated chain.
const LARGE: &str = "\
zone wan = eth0
zone lan = eth1 { 10.0.0.0/24, fd00:1::/64 }
chain guard { drop tcp any flags none / all; return tcp 443; log \"odd \" }
jump guard from wan
allow ssh limit 5/minute burst 10 per source
allow http, https from 192.0.2.1, 198.51.100.7, 2001:db8::7 to self, lan
forward https at 203.0.113.7, 2001:db8::9 from wan to 10.0.0.2@lan, fd00:1::2@lan hairpin lan
masquerade from lan to wan
default drop output
allow dns out
";

const SMALL: &str = "allow ssh\n";

#[test]
fn without_preserve_the_files_are_all_there_is() {
    if !need::met() {
        return;
    }
    for variant in Variant::ALL {
        let namespace = Namespace::new();
        others::build(&namespace, variant);
        for policy in [LARGE, SMALL] {
            let folder = built(policy);
            for time in ["first", "second"] {
                loaded(&namespace, variant, folder.path());
                for family in Family::BOTH {
                    let written = normalise(rules(folder.path()).of(family));
                    let saved = normalise(&save(&namespace, variant, family));
                    assert_eq!(saved, written, "{time} load, {variant:?} {family:?}");
                }
            }
        }
    }
}

#[test]
fn others_are_left_alone_and_what_is_stale_goes() {
    if !need::met() {
        return;
    }
    let [large, small] = [LARGE, SMALL].map(|policy| built(&format!("{OTHERS}{policy}")));
    let nothing = built(&format!("{OTHERS}implicit none\ndefault allow\n"));
    for variant in Variant::ALL {
        let namespace = Namespace::new();
        others::build(&namespace, variant);
        let before = foreign(&namespace, variant);
        assert!(before.lines().count() > 150, "{before}");
        let mut seen: Vec<Vec<String>> = Vec::new();
        for folder in [&large, &small, &large, &nothing, &small] {
            loaded(&namespace, variant, folder.path());
            assert_eq!(foreign(&namespace, variant), before, "{variant:?}");
            let once = both(&namespace, variant);
            loaded(&namespace, variant, folder.path());
            assert_eq!(both(&namespace, variant), once, "{variant:?}: a second load changes it");
            assert_eq!(foreign(&namespace, variant), before, "{variant:?}");
            seen.push(own(&both(&namespace, variant)));
        }
        for (folder, own) in [&large, &small, &large, &nothing, &small].into_iter().zip(&seen) {
            let rules = rules(folder.path());
            let written = Family::BOTH.map(|family| normalise(rules.of(family))).concat();
            assert_eq!(own, &self::own(&written), "{variant:?}");
        }
        assert!(seen[3].is_empty() && seen[0].len() > 60, "{seen:#?}");
    }
}

#[test]
fn policies_follow_the_files() {
    if !need::met() {
        return;
    }
    let drops = built("preserve docker\ndefault drop output\nallow ssh\n");
    let allows = built("preserve docker\ndefault allow\ndrop ssh\n");
    for variant in Variant::ALL {
        let namespace = Namespace::new();
        others::build(&namespace, variant);
        for (folder, policy) in [(&drops, "DROP"), (&allows, "ACCEPT"), (&drops, "DROP")] {
            loaded(&namespace, variant, folder.path());
            let saved = both(&namespace, variant);
            for chain in ["INPUT", "FORWARD"] {
                assert!(saved.contains(&format!(":{chain} {policy}")), "{variant:?}: {saved}");
            }
        }
    }
}

#[test]
fn our_jump_stands_behind_those_of_others() {
    if !need::met() {
        return;
    }
    let folder = built(&format!("{OTHERS}{SMALL}"));
    for variant in Variant::ALL {
        let namespace = Namespace::new();
        // At boot we may be first.
        loaded(&namespace, variant, folder.path());
        others::build(&namespace, variant);
        let append = |rule: &str| {
            let text = format!("*filter\n{rule}\nCOMMIT\n");
            others::add(&namespace, variant, Family::V4, &text);
        };
        append("-A INPUT -j LIBVIRT_INP");
        // As an administrator may, or two loads at once.
        append("-A INPUT -j pal-INPUT");
        append("-A INPUT -j KUBE-FIREWALL");
        let before = foreign(&namespace, variant);
        loaded(&namespace, variant, folder.path());
        assert_eq!(foreign(&namespace, variant), before, "{variant:?}");
        for family in Family::BOTH {
            let saved = save(&namespace, variant, family);
            let input: Vec<&str> =
                saved.lines().filter(|line| line.starts_with("-A INPUT")).collect();
            assert_eq!(input.last(), Some(&"-A INPUT -j pal-INPUT"), "{saved}");
            let jumps = input.iter().filter(|line| line.ends_with(" pal-INPUT"));
            assert_eq!(jumps.count(), 1, "{saved}");
        }
    }
}

#[test]
fn a_chain_that_others_use_is_emptied_and_kept() {
    if !need::met() {
        return;
    }
    let [large, small] = [LARGE, SMALL].map(|policy| built(&format!("{OTHERS}{policy}")));
    for variant in Variant::ALL {
        let namespace = Namespace::new();
        others::build(&namespace, variant);
        loaded(&namespace, variant, large.path());
        let rule = "*filter\n-A LIBVIRT_INP -i virbr0 -j pal-guard\nCOMMIT\n";
        others::add(&namespace, variant, Family::V4, rule);
        let before = foreign(&namespace, variant);
        loaded(&namespace, variant, small.path());
        assert_eq!(foreign(&namespace, variant), before, "{variant:?}");
        let saved = save(&namespace, variant, Family::V4);
        assert!(saved.contains(":pal-guard -") && !saved.contains("-A pal-guard"), "{saved}");
        loaded(&namespace, variant, large.path());
        assert!(save(&namespace, variant, Family::V4).contains("-A pal-guard"));
    }
}

/// A fault, by the file and a text in it with what stands there instead. The tools find the first
/// kind by themselves, the second only the kernel, after other tables were replaced.
const FAULTS: [(&str, &str, &str); 4] = [
    ("rules.v4", "--dport 22 ", "--dport 22 -m set --match-set not-there src "),
    ("rules.v6", "--dport 22 ", "--dport 22 -m set --match-set not-there src "),
    (
        "rules.v4",
        "*mangle\n",
        "*mangle\n:pal-x - [0:0]\n-A PREROUTING -j pal-x\n-A pal-x -j REJECT\n",
    ),
    (
        "rules.v6",
        "*raw\n",
        "*raw\n:pal-x - [0:0]\n-A PREROUTING -j pal-x\n-A pal-x -j MASQUERADE\n",
    ),
];

#[test]
fn what_is_refused_changes_nothing() {
    if !need::met() {
        return;
    }
    for head in ["", OTHERS] {
        let old = built(&format!("{head}{LARGE}"));
        for (file, right, wrong) in FAULTS {
            let new = built(&format!("{head}{SMALL}"));
            spoil(new.path(), file, right, wrong);
            for variant in Variant::ALL {
                let namespace = Namespace::new();
                others::build(&namespace, variant);
                loaded(&namespace, variant, old.path());
                let (before, others) = (both(&namespace, variant), foreign(&namespace, variant));
                let error = load(&namespace, variant, new.path()).expect_err(wrong);
                assert!(error.contains(&format!("palisade: {file} is refused")), "{error}");
                let said = ["no rule has changed", "the rules of before are in force"];
                assert!(said.iter().any(|said| error.contains(said)), "{error}");
                assert_eq!(both(&namespace, variant), before, "{variant:?}: {wrong}: {error}");
                assert_eq!(foreign(&namespace, variant), others, "{variant:?}: {wrong}");
            }
        }
    }
}

#[test]
fn tables_that_were_not_there_are_open_again() {
    if !need::met() {
        return;
    }
    for head in ["", OTHERS] {
        let new = built(&format!("{head}{LARGE}"));
        let (file, right, wrong) = FAULTS[3];
        spoil(new.path(), file, right, wrong);
        for variant in Variant::ALL {
            let namespace = Namespace::new();
            load(&namespace, variant, new.path()).expect_err(wrong);
            let after = both(&namespace, variant);
            assert!(!after.contains("-A ") && !after.contains("DROP"), "{variant:?}: {after}");
        }
    }
}

#[test]
fn what_is_missing_is_said() {
    if !need::met() {
        return;
    }
    let namespace = Namespace::new();
    let folder = built(SMALL);
    let script = folder.path().join("load").to_string_lossy().into_owned();
    for (tool, said) in [
        ("IPTABLES=none-such", "the rules of IPv4 cannot be read; no rule has changed"),
        ("IP6TABLES_RESTORE=none-such", "rules.v6 is refused; no rule has changed"),
    ] {
        let error = run(&namespace, Variant::Nft, &[tool, "sh", &script]).expect_err(tool);
        assert!(error.contains(said), "{error}");
    }
    let sets = rules(folder.path()).sets + "create x hash:nonsense\n";
    fs::write(folder.path().join("ipsets"), sets).expect("can be written");
    let error = load(&namespace, Variant::Nft, folder.path()).expect_err("no such type of set");
    assert!(error.contains("ipsets is refused; no rule has changed"), "{error}");
    fs::remove_file(folder.path().join("ipsets")).expect("was there");
    let error = load(&namespace, Variant::Nft, folder.path()).expect_err("no ipsets");
    assert!(error.contains("ipsets: build the policy into this folder again"), "{error}");
    assert!(!both(&namespace, Variant::Nft).contains("-A "));
}

#[test]
fn sets_are_there_before_the_rules() {
    if !need::met() {
        return;
    }
    let policy = |list: &str| {
        format!(
            "{OTHERS}set banned dynamic timeout 1h\nset bad from \"{list}\"\n\
             drop any from banned, bad\nadd source to banned telnet\n{SMALL}"
        )
    };
    let lists = [(); 2].map(|()| tempfile::NamedTempFile::new().expect("a file can be made"));
    for (list, text) in lists.iter().zip(["192.0.2.0/24\n2001:db8::/32\n", "198.51.100.7\n"]) {
        fs::write(list, text).expect("can be written");
    }
    let folders = lists.each_ref().map(|list| built(&policy(&list.path().to_string_lossy())));
    for variant in Variant::ALL {
        let namespace = Namespace::new();
        others::build(&namespace, variant);
        let before = foreign(&namespace, variant);
        let listed = || namespace.output("ipset", &["save"], "").expect("ipset saves");
        loaded(&namespace, variant, folders[0].path());
        namespace.output("ipset", &["add", "banned-1h.v4", "203.0.113.5"], "").expect("a set");
        // Again, while rules use them.
        for (folder, bad) in [(&folders[0], "192.0.2.0/24"), (&folders[1], "198.51.100.7")] {
            loaded(&namespace, variant, folder.path());
            assert!(listed().contains(&format!("add bad.v4 {bad}")), "{}", listed());
            assert!(listed().contains("add banned-1h.v4 203.0.113.5"), "{}", listed());
        }
        assert!(!listed().contains("192.0.2.0/24"), "{}", listed());
        assert_eq!(foreign(&namespace, variant), before, "{variant:?}");
    }
}

#[test]
fn it_runs_by_itself_and_from_anywhere() {
    if !need::met() {
        return;
    }
    for policy in [SMALL.to_owned(), format!("{OTHERS}{SMALL}")] {
        let folder = built(&policy);
        let namespace = Namespace::new();
        let script = folder.path().join("load").to_string_lossy().into_owned();
        run(&namespace, Variant::Nft, &[&script]).expect("it is executable");
        let inside = format!("cd {} && ./load", folder.path().display());
        run(&namespace, Variant::Nft, &["sh", "-c", &inside]).expect("from its own folder");
        assert!(both(&namespace, Variant::Nft).contains("--dport 22"));
    }
}

#[test]
fn shellcheck_accepts_it() {
    if !need::met() {
        return;
    }
    for policy in [SMALL.to_owned(), format!("{OTHERS}{LARGE}")] {
        let folder = built(&policy);
        let mut check = Command::new("shellcheck");
        let check = check.arg("--severity=style").arg(folder.path().join("load"));
        let output = check.output().expect("shellcheck runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// One lets the port in by its policy of the chain, the other by a rule; both keep the other port
/// closed, one by a rule and the other by its policy.
const ONE: &str = "preserve docker\ndefault allow\nchain a { drop udp 5001 }\njump a from any\n";
const OTHER: &str = "preserve docker\nchain b { allow udp 5000 }\njump b from any\n";

#[test]
fn no_packet_meets_the_half_of_it() {
    if !need::met() {
        return;
    }
    let [one, other] = [ONE, OTHER].map(built);
    for variant in Variant::ALL {
        let world = World::new();
        loaded(&world.host, variant, one.path());
        let _open = Service::udp(&world.host, 5000);
        let _closed = Service::udp(&world.host, 5001);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let ask = |port: u16, patience: u64| {
                let (world, done) = (&world, &done);
                scope.spawn(move || {
                    let mut outcomes = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        for at in [V4, V6] {
                            let probe = Probe::Udp(at.host, port);
                            let outcome =
                                probe.send(&world.client, Duration::from_millis(patience));
                            outcomes.push(matches!(outcome, Outcome::Answered { .. }));
                        }
                    }
                    outcomes
                })
            };
            let (open, closed) = (ask(5000, 2000), ask(5001, 4));
            for folder in [&other, &one].into_iter().cycle().take(20) {
                loaded(&world.host, variant, folder.path());
            }
            done.store(true, Ordering::Relaxed);
            let [open, closed] = [open, closed].map(|asked| asked.join().expect("it asks"));
            assert!(open.len() > 200 && closed.len() > 50, "{} {}", open.len(), closed.len());
            assert!(open.iter().all(|answered| *answered), "{variant:?}: shut for a moment");
            assert!(!closed.iter().any(|answered| *answered), "{variant:?}: open for a moment");
        });
    }
}

/// The file itself is whole: on a machine without other rules it is the same firewall.
#[test]
fn the_files_are_whole() {
    if !need::met() {
        return;
    }
    let folder = built(&format!("{OTHERS}{LARGE}"));
    for variant in Variant::ALL {
        let [plain, scripted] = [(); 2].map(|()| Namespace::new());
        for family in Family::BOTH {
            let rules = rules(folder.path());
            restore(&plain, variant, family, rules.of(family)).expect("the tool takes it");
        }
        loaded(&scripted, variant, folder.path());
        let rules = |namespace| {
            let all = both(namespace, variant);
            all.lines()
                .filter(|line| line.starts_with("-A "))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(rules(&plain), rules(&scripted), "{variant:?}");
    }
}
