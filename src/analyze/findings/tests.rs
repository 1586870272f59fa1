use super::*;
use crate::meaning::meaning;
use crate::resolve::resolve;
use crate::source::MemoryLoader;

/// What is found in a policy when a question may be so much work: lints with the lines they are about.
fn found(text: &str, budget: Budget) -> Vec<String> {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    assert!(!crate::diagnostic::has_errors(&resolved.findings), "{:?}", resolved.findings);
    let meaning = meaning(&resolved.policy);
    let told = Told::nothing(&|_| true, &resolved.expectations);
    let found = all(Text::Policy(&resolved.policy), &meaning, &sources, told, budget);
    let told = found.iter().map(|finding| match finding.span {
        Some(span) => format!("{} {}", sources.line(span), finding.lint.name),
        None => format!("{}: {}", finding.lint.name, finding.message),
    });
    told.collect()
}

/// Every tcp packet is dropped, in many pieces.
fn pieces() -> String {
    let rules = (0..14u32).map(|number| {
        let (low, high) = (number * 5000, (number * 5000 + 5400).min(65_535));
        let odd = number % 2 * 128;
        format!(
            "drop tcp {low}-{high} from 0.0.0.0-{odd}.127.255.255\n\
             drop tcp {low}-{high} from {odd}.128.0.0-255.255.255.255\n"
        )
    });
    rules.collect()
}

#[test]
fn what_is_too_much_work_is_told_of_each_lint() {
    let drops = pieces();
    let policy = format!(
        "zone wan = eth0\nzone lan = eth1 {{ 10.0.0.0/24 }}\nimplicit none\n{drops}\
         forward {{\n{drops}}}\nallow ssh ipv4\nallow tcp any ipv4 limit 5/minute\nallow tcp any ipv4\n\
         forward tcp 80-60000 from wan to 10.0.0.2@lan\nmasquerade from lan to wan\n"
    );
    let told = |budget| {
        let all = found(&policy, budget);
        let about = |lint: &str| {
            let told = format!(
                "analysis-incomplete: it is not found out whether there is more of `{lint}`"
            );
            all.contains(&told)
        };
        ["no-remote-access", "limit-bypassed", "nat-target-dropped"].map(about)
    };
    assert_eq!(told(Budget(1)), [true; 3], "{:#?}", found(&policy, Budget(1)));
    assert_eq!(told(Budget::default()), [false; 3]);
}

/// What is found of rules that packets do not reach or that change nothing: lints with lines.
fn of_rules(text: &str) -> Vec<String> {
    let lints = [
        "never-matches",
        "unreachable-rule",
        "duplicate-rule",
        "shadowed-conflict",
        "shadowed-rule",
        "redundant-rule",
        "unreachable-chain",
    ];
    let mut found = found(text, Budget::default());
    found.retain(|one| lints.iter().any(|lint| one.ends_with(lint)));
    found
}

#[test]
fn a_limit_in_front_hides_nothing_and_is_not_redundant() {
    assert_eq!(of_rules("allow any limit 10/second\ndrop tcp 22\n"), [""; 0]);
}

#[test]
fn what_is_behind_a_limit_is_hidden_by_what_takes_for_certain() {
    let text = "allow any limit 10/second\ndrop any\nallow tcp 22\n";
    assert_eq!(of_rules(text), ["3 unreachable-rule"]);
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    let meaning = meaning(&resolved.policy);
    let told = Told::nothing(&|_| true, &resolved.expectations);
    let found = all(Text::Policy(&resolved.policy), &meaning, &sources, told, Budget::default());
    let dead = found.iter().find(|one| one.lint.name == "unreachable-rule").expect("it is found");
    let by: Vec<usize> = dead.related.iter().map(|place| sources.line(place.span)).collect();
    assert_eq!(by, [2]);
}

#[test]
fn equal_limits_are_two() {
    assert_eq!(of_rules("drop tcp 22 limit 10/second\ndrop tcp 22 limit 10/second\n"), [""; 0]);
    assert_eq!(of_rules("drop tcp 22\ndrop tcp 22\n"), ["2 duplicate-rule"]);
}

#[test]
fn a_mark_is_another_after_it_was_changed() {
    let mac = "mac 00:16:3e:00:00:01";
    let policy = |condition: &str, between: &str| {
        of_rules(&format!("allow any {mac}{condition}\n{between}drop any {mac}{condition}\n"))
    };
    let changed = "raw v4 filter INPUT \"-j CONNMARK --restore-mark\"\n\
                   raw v6 filter INPUT \"-j CONNMARK --restore-mark\"\n";
    assert_eq!(policy("", ""), ["2 shadowed-conflict"]);
    assert_eq!(policy(" mark 1", ""), ["2 shadowed-conflict"]);
    assert_eq!(policy(" mark 1", changed), [""; 0]);
    assert_eq!(policy("", changed), ["4 shadowed-conflict"]);
}

#[test]
fn who_is_in_a_dynamic_set_is_not_known() {
    let policy = "set seen dynamic\ndrop any from seen\ndrop any from 192.0.2.1\n";
    assert_eq!(of_rules(policy), [""; 0]);
    let policy = "set seen = 192.0.2.0/24\ndrop any from seen\ndrop any from 192.0.2.1\n";
    assert_eq!(of_rules(policy), ["3 shadowed-rule"]);
}

/// A full table of a limit drops packets: not even a later rule that accepts them all makes such a limit
/// one that changes nothing.
#[test]
fn a_limit_by_source_is_never_redundant() {
    let policy = "allow tcp 22 limit 5/minute per source\nallow tcp 22\n";
    assert_eq!(of_rules(policy), [""; 0]);
    assert_eq!(of_rules("allow tcp 22 from 10.0.0.0/8\nallow tcp 22\n"), ["1 redundant-rule"]);
}

/// Fragments behind the first have no ports. Where conntrack is in use it puts packets together first.
#[test]
fn all_ports_do_not_hide_fragments_without_conntrack() {
    let rules = "drop tcp 0-32767\ndrop tcp 32768-65535\nallow tcp any\n";
    assert_eq!(of_rules(rules), ["3 shadowed-conflict"]);
    assert_eq!(of_rules(&format!("implicit none\n{rules}")), [""; 0]);
    let same = "implicit none\ndrop tcp 0-65535\nallow tcp any\n";
    assert_eq!(of_rules(same), ["3 shadowed-conflict"]);
    let mixed = "implicit none\ndrop tcp 0-32767\ndrop tcp 32768-65535\nallow tcp any, udp 1\ndrop udp 1\n\
                 allow tcp any, udp 1\n";
    assert_eq!(of_rules(mixed), ["5 shadowed-conflict", "6 duplicate-rule"]);
    let narrower = "implicit none\ndrop tcp 1-99\nallow tcp 50\n";
    assert_eq!(of_rules(narrower), ["3 shadowed-conflict"]);
    let tracked = format!("implicit none\n{rules}allow udp 53 state new\n");
    assert_eq!(of_rules(&tracked), ["4 shadowed-conflict"]);
}

#[test]
fn a_rule_that_one_of_two_jumps_leads_to_is_live() {
    let chain = "chain web {\n    allow tcp 80\n    allow tcp 443\n}\n";
    let text = format!(
        "{chain}input {{\n    drop tcp 80\n    jump web\n}}\nforward {{\n    jump web\n}}\n"
    );
    assert_eq!(of_rules(&text), [""; 0]);
    let text = format!(
        "{chain}input {{\n    drop tcp 80\n    jump web\n}}\n\
         forward {{\n    drop tcp 1-100\n    jump web\n}}\n"
    );
    assert_eq!(of_rules(&text), ["2 shadowed-conflict"]);
}

/// Each alone could go; the one that is left is needed then.
#[test]
fn of_two_that_make_each_other_redundant_the_later_is_hidden() {
    let text = "allow tcp 1-10\nallow tcp 5-20\nallow tcp 1-20 from 10.0.0.0/8\n";
    assert_eq!(of_rules(text), ["3 shadowed-rule"]);
}
