//! Resolution, sentence by sentence of the language.

use std::collections::BTreeSet;

use super::names::service_node;
use super::policy::{
    Action, Alteration, AlterationKind, Bound, Hook, Item, NatKind, Part, Place, Scope,
};
use super::{Policy, Resolved, resolve};
use crate::diagnostic::{Finding, has_errors};
use crate::net::{Family, Helper, IntervalSet, PortProtocol};
use crate::source::{MemoryLoader, Sources};
use crate::syntax::tree::ClauseKind;

fn run(text: &str) -> (Resolved, Sources) {
    run_files(text, &[])
}

fn run_files(text: &str, files: &[(&str, &str)]) -> (Resolved, Sources) {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let mut loader = MemoryLoader::new(files.iter().copied());
    let resolved = resolve(root, &mut sources, &mut loader);
    (resolved, sources)
}

/// The policy of a text that must be without errors.
fn policy(text: &str) -> Policy {
    let (resolved, _) = run(text);
    assert!(!has_errors(&resolved.findings), "{text}: {:#?}", resolved.findings);
    resolved.policy
}

/// The codes and the text under each finding.
fn findings(text: &str) -> Vec<(&'static str, String)> {
    let (resolved, sources) = run(text);
    let said = |finding: &Finding| {
        let text = finding.span.map(|span| sources.text(span).to_owned());
        (finding.lint.name, text.unwrap_or_default())
    };
    resolved.findings.iter().map(said).collect()
}

fn hooks(text: &str) -> Vec<Vec<Hook>> {
    let of = |item: &Item| match item {
        Item::Rule(rule) => rule
            .flows
            .iter()
            .filter_map(|flow| match flow.scope {
                Scope::Hook(hook) => Some(hook),
                Scope::Chain | Scope::Docker | Scope::Arrival(_) => None,
            })
            .collect(),
        Item::Nat(_) | Item::Alter(_) | Item::Raw(_) => Vec::new(),
    };
    policy(text).items.iter().map(of).collect()
}

#[test]
fn marks_are_set_as_early_as_what_is_said_allows() {
    const ZONES: &str = "zone wan = eth0; zone lan = eth1; zone sites = { 10.20.0.0/16 }\n";
    let scopes = |text: &str| -> Vec<Scope> {
        let items = policy(&format!("{ZONES}{text}")).items;
        let Item::Alter(said) = &items[0] else { panic!("a change") };
        said.flows.iter().map(|flow| flow.scope).collect()
    };
    let (input, forward) = (Scope::Hook(Hook::Input), Scope::Hook(Hook::Forward));
    let (output, beyond) = (Scope::Hook(Hook::Output), Scope::Arrival(Bound::Elsewhere));
    for (text, expected) in [
        ("mark 1", vec![input]),
        ("mark 1 from wan to self, any", vec![Scope::Arrival(Bound::Anywhere)]),
        ("mark 1 sticky to any, self", vec![Scope::Arrival(Bound::Anywhere)]),
        ("mark 1 from wan to 192.0.2.1@self, any", vec![input, beyond]),
        ("mark 1 from wan to self, 192.0.2.1@lan", vec![input, forward]),
        ("mark 1 from wan to self, sites", vec![input, beyond]),
        ("mark 1 from wan to lan, sites", vec![beyond, forward]),
        ("mark 1 in eth0 out eth1", vec![forward]),
        ("forward { mark 1 }", vec![beyond]),
        ("input { mark 1 }", vec![input]),
        ("mark 1 from self to self, any", vec![output, output, input]),
        ("dscp ef to any", vec![forward]),
        ("clamp mss 1000 to self, any", vec![input, forward]),
    ] {
        assert_eq!(scopes(text), expected, "{text}");
    }
}

#[test]
fn the_first_example_is_the_same_on_one_line() {
    let two = policy(
        "# The whole policy of a web server.\nallow ssh, http, https\nmasquerade eth0 out\n",
    );
    let one = policy("allow ssh, http, https; masquerade eth0 out");
    assert_eq!(two.items.len(), 2);
    assert_eq!(one.items.len(), 2);
    let Item::Rule(rule) = &one.items[0] else { panic!("a rule") };
    assert_eq!(rule.action, Action::Allow);
    let ports = IntervalSet::from_intervals([(22, 22), (80, 80), (443, 443)]);
    let tcp = Part::Ports {
        protocol: PortProtocol::Tcp,
        source: IntervalSet::full(),
        destination: ports,
    };
    assert_eq!(rule.flows[0].parts, [tcp]);
    let Item::Nat(nat) = &one.items[1] else { panic!("a translation") };
    assert!(matches!(nat.kind, NatKind::Source { .. }));
    assert!(nat.families.v4 && !nat.families.v6);
}

#[test]
fn directions_are_those_of_the_table() {
    use Hook::{Forward, Input, Output};
    let zones = "zone lan = eth1; zone wan = eth0; zone dmz = eth2\n";
    let table: &[(&str, &[Hook])] = &[
        ("allow ssh", &[Input]),
        ("allow ssh from lan", &[Input]),
        ("allow ssh to self", &[Input]),
        ("allow ssh in eth0", &[Input]),
        ("allow dns out", &[Output]),
        ("allow dns from self", &[Output]),
        ("allow dns from self to wan", &[Output]),
        ("allow http from lan to wan", &[Forward]),
        ("allow http to dmz", &[Forward]),
        ("allow http to any", &[Forward]),
        ("allow http in eth1 out eth0", &[Forward]),
        ("allow http in eth1 out eth0 to 192.0.2.1", &[Forward]),
        ("allow http from any out eth0", &[Forward]),
        ("allow ssh from lan to self, dmz", &[Input, Forward]),
        ("allow ssh from self to self", &[Output, Input]),
        ("allow ssh from self, lan to wan", &[Forward, Output]),
        ("allow ssh from self out eth0", &[Output]),
        ("allow ssh to 192.0.2.10@self", &[Input]),
        ("allow ssh to 192.0.2.10@dmz", &[Forward]),
        ("allow ssh from self to 192.0.2.10", &[Output]),
        ("input { allow ssh to 192.0.2.1 }", &[Input]),
        ("output { allow ssh from 192.0.2.1 to 192.0.2.2 }", &[Output]),
        ("forward { allow tcp 80 from 10.0.0.0/8 to 192.0.2.10 }", &[Forward]),
        ("from lan to wan { allow ssh }", &[Forward]),
        ("from lan { allow ssh; }", &[Input]),
    ];
    for (rule, expected) in table {
        assert_eq!(hooks(&format!("{zones}{rule}")), [*expected], "{rule}");
    }
}

#[test]
fn what_is_not_said_is_asked_for() {
    assert_eq!(
        findings("allow ssh to 192.0.2.10"),
        [("ambiguous-destination", "192.0.2.10".to_owned())]
    );
    assert_eq!(findings("allow ssh out eth0"), [("ambiguous-direction", "out eth0".to_owned())]);
    assert_eq!(findings("input { forward { allow ssh } }")[0].0, "conflicting-direction");
}

#[test]
fn zones_bind_interfaces_and_nets() {
    let policy = policy("zone lan = eth1 { 10.0.0.0/24, fd00:1::/64 }\nallow ssh from lan");
    let Item::Rule(rule) = &policy.items[0] else { panic!("a rule") };
    let [place] = &rule.flows[0].source[..] else { panic!("one place") };
    assert_eq!(place.interfaces.as_ref().map(Vec::len), Some(1));
    assert_eq!(place.addresses.intervals(Family::V4).len(), 1);
    // The net and fe80::/10.
    assert_eq!(place.addresses.intervals(Family::V6).len(), 2);
}

#[test]
fn a_drop_that_loses_a_family_is_a_warning() {
    let text = "zone lan = eth1 { 10.0.0.0/24 }\ndrop ssh from lan";
    assert_eq!(findings(text), [("family-not-dropped", "lan".to_owned())]);
    assert_eq!(findings("zone lan = eth1 { 10.0.0.0/24 }\nallow ssh from lan"), []);
}

#[test]
fn except_takes_from_the_whole_list_before() {
    let text = "let staff = 203.0.113.0/24, 10.0.0.0/24 except 10.0.0.66\nallow ssh from staff";
    let Item::Rule(rule) = &policy(text).items[0] else { panic!("a rule") };
    assert_eq!(rule.flows[0].source[0].addresses.intervals(Family::V4).len(), 3);
    assert_eq!(findings("allow ssh from 10.0.0.1 except 10.0.0.0/8")[0].0, "never-matches");
}

#[test]
fn calls_unfold_with_their_arguments() {
    let text = "zone wan = eth0; zone lan = eth1 { 10.0.0.0/24 }
        let web = 10.0.0.2@lan
        def publish(svc, host) { forward svc from wan to host hairpin lan }
        publish(https, web)
        publish((http, tcp 8080), 10.0.0.3:80@lan)
        publish(tcp 8443, web)";
    let policy = policy(text);
    assert_eq!(policy.items.len(), 3);
    let Item::Nat(nat) = &policy.items[1] else { panic!("a translation") };
    let NatKind::Forward(forward) = &nat.kind else { panic!("a forward") };
    assert_eq!(forward.target_v4.and_then(|target| target.port), Some(80));
    assert_eq!(forward.hairpin.len(), 1);
    assert!(policy.outermost_call(nat.origin).is_some());
}

#[test]
fn rings_are_shown_not_followed() {
    assert_eq!(findings("let a = b; let b = a; allow ssh from a")[0].0, "recursive-definition");
    assert_eq!(findings("service a = b; service b = a; allow a")[0].0, "recursive-definition");
    assert_eq!(findings("def f() { f() }\nf()")[0].0, "recursive-definition");
    let chains = "chain a { jump b }\nchain b { jump a }\njump a";
    assert_eq!(findings(chains)[0].0, "chain-cycle");
    let files = [("a.fw", "include \"b.fw\""), ("b.fw", "include \"a.fw\"")];
    let (resolved, _) = run_files("include \"a.fw\"", &files);
    assert_eq!(resolved.findings[0].lint.name, "include-cycle");
}

#[test]
fn exponential_definitions_end_with_one_error() {
    let mut text = String::from("def f0() { allow ssh }\n");
    for level in 1..40 {
        text += &format!("def f{level}() {{ f{0}(); f{0}() }}\n", level - 1);
    }
    text += "f39()";
    let codes = findings(&text);
    assert_eq!(codes.iter().filter(|(code, _)| *code == "too-much-expansion").count(), 1);
}

#[test]
fn a_service_bound_to_multicast_uses_the_zones_interfaces() {
    let text = "zone lan = eth1 { 10.0.0.0/24, fd00::/64 }\nallow mdns from lan";
    let Item::Rule(rule) = &policy(text).items[0] else { panic!("a rule") };
    let flow = &rule.flows[0];
    assert!(flow.source[0].addresses.is_full());
    assert_eq!(flow.destination[0].addresses.intervals(Family::V4).len(), 1);
}

#[test]
fn ping_is_of_both_families() {
    let Item::Rule(rule) = &policy("allow ping").items[0] else { panic!("a rule") };
    let families: Vec<_> = rule.flows.iter().flat_map(|flow| &flow.parts).collect();
    assert_eq!(families.len(), 2);
}

#[test]
fn an_empty_policy_has_the_safe_defaults() {
    let policy = policy("");
    assert!(policy.items.is_empty());
    assert!(policy.implicit.established && policy.implicit.loopback);
    assert_eq!(policy.defaults.input.verdict, super::policy::Verdict::Drop);
}

#[test]
fn slips_are_not_taken_for_interfaces() {
    assert_eq!(
        findings("zone wan = eth0\nmasquerade wam out")[0],
        ("unknown-name", "wam".to_owned())
    );
    assert_eq!(
        findings("zone lan = eth1\nmasquerade eth0 out; allow ssh from lan")[0].0,
        "forwarding-needed"
    );
}

#[test]
fn nearby_any_is_anywhere() {
    let Item::Rule(rule) = &policy("allow ssh from any, 10.0.0.1").items[0] else { panic!("rule") };
    assert_eq!(rule.flows[0].source, [Place::anywhere()]);
}

#[test]
fn the_standard_library_is_without_findings() {
    let mut sources = Sources::new();
    let library = super::stdlib::Library::new(&mut sources);
    let files: BTreeSet<_> = library.nodes().map(|node| node.name.0.file()).collect();
    let mut text = String::new();
    let mut names = Vec::new();
    for file in files {
        let parsed = crate::syntax::parse(file, sources.file(file).text());
        assert_eq!(parsed.findings, [], "{}", sources.file(file).name());
        for node in parsed.tree.statements.iter().map(|one| service_node(one).expect("a service")) {
            let aliases = node.clauses.iter().filter_map(|clause| match &clause.kind {
                ClauseKind::Alias(aliases) => Some(aliases),
                _ => None,
            });
            for name in std::iter::once(&node.name).chain(aliases.flatten()) {
                let name = sources.text(name.0);
                let (_, found) = library.find(name).expect(name);
                assert_eq!(format!("{found:?}"), format!("{node:?}"));
                names.push(name);
            }
            text += &format!("allow {}\n", sources.text(node.name.0));
        }
    }
    names.sort_unstable();
    assert_eq!(library.names().collect::<Vec<_>>(), names);
    names.dedup();
    assert_eq!(library.names().count(), names.len(), "no name is defined twice");
    assert_eq!(findings(&text), []);
    for (name, _) in super::stdlib::modules() {
        assert_eq!(findings(&format!("use {name}")), [], "{name}");
    }
}

#[test]
fn a_family_takes_its_part_of_a_service() {
    let Item::Rule(rule) = &policy("allow ping ipv4").items[0] else { panic!("a rule") };
    assert_eq!(rule.flows.len(), 1);
    assert_eq!(rule.flows[0].parts[0].families(), crate::net::Families::only(Family::V4));
    assert_eq!(findings("allow ping, icmpv6 echo-request ipv4")[0].0, "wrong-family");
}

/// Every rule that the warning about untracked answers asks for is one, and enough.
#[test]
fn the_rules_for_untracked_answers_are_enough() {
    let text = include_str!("../../tests/cases/check/untracked-answers.fw");
    let lost = |text: &str| {
        let (resolved, _) = run(text);
        assert!(!has_errors(&resolved.findings), "{text}: {:#?}", resolved.findings);
        let found = resolved.findings.into_iter();
        found.filter(|finding| finding.lint.name == "untracked-answers").collect::<Vec<_>>()
    };
    let before = lost(text);
    assert!(before.len() >= 8, "{before:#?}");
    let mut mended = text.to_owned();
    for finding in &before {
        let help = finding.help.as_deref().expect("a help");
        for rule in help.split('`').skip(1).step_by(2) {
            mended += rule;
            mended.push('\n');
        }
    }
    let after = lost(&mended);
    assert!(after.is_empty(), "{mended}: {after:#?}");
}

/// The helpers that a policy assigns, each with the scopes of its flows.
fn helpers(text: &str) -> Vec<(Helper, Vec<Scope>)> {
    let policy = policy(text);
    let of = |item: &Item| match item {
        Item::Alter(Alteration { kind: AlterationKind::Helper(helper), flows, .. }) => {
            Some((*helper, flows.iter().map(|flow| flow.scope).collect()))
        }
        Item::Alter(_) | Item::Rule(_) | Item::Nat(_) | Item::Raw(_) => None,
    };
    policy.items.iter().filter_map(of).collect()
}

#[test]
fn helpers_are_assigned_where_connections_are_opened() {
    let here = Scope::Arrival(Bound::Here);
    let elsewhere = Scope::Arrival(Bound::Elsewhere);
    let anywhere = Scope::Arrival(Bound::Anywhere);
    let output = Scope::Hook(Hook::Output);
    let zones = "zone lan = eth1 { 10.0.0.0/24 }\nzone wan = eth0\n";
    let ftp = |rules: &str| helpers(&format!("{zones}{rules}"));
    assert_eq!(ftp("allow ftp"), [(Helper::Ftp, vec![here])]);
    assert_eq!(ftp("allow ftp out"), [(Helper::Ftp, vec![output])]);
    assert_eq!(ftp("allow ftp from lan to self, wan"), [(Helper::Ftp, vec![here, elsewhere])]);
    assert_eq!(
        ftp("forward ftp from wan to 10.0.0.2@lan hairpin lan, self"),
        [(Helper::Ftp, vec![here, here, output])]
    );
    assert_eq!(
        ftp("forward ftp at 203.0.113.7 from wan to 10.0.0.2@lan"),
        [(Helper::Ftp, vec![anywhere])]
    );
    assert_eq!(ftp("redirect ftp from lan to :2121"), [(Helper::Ftp, vec![here])]);
    assert_eq!(
        ftp("netmap 203.0.113.0/24 to 10.0.0.0/24 on wan\nallow ftp from wan to 10.0.0.5@lan"),
        [(Helper::Ftp, vec![elsewhere, anywhere])]
    );
    assert_eq!(
        ftp("chain a { allow ftp }\nchain b { jump a }\njump b from lan\njump a out"),
        [(Helper::Ftp, vec![here]), (Helper::Ftp, vec![output])]
    );
}

#[test]
fn helpers_are_for_what_is_allowed() {
    let none: [(Helper, Vec<Scope>); 0] = [];
    for rule in ["drop ftp", "reject ftp", "log \"ftp \" ftp", "allow ftp state established"] {
        assert_eq!(helpers(rule), none, "{rule}");
    }
    assert_eq!(helpers("chain unused { allow ftp }\njump other\nchain other { drop ftp }"), none);
    let two = helpers("allow sip, ftp, tftp, ssh");
    let two: Vec<Helper> = two.into_iter().map(|(helper, _)| helper).collect();
    assert_eq!(two, [Helper::Ftp, Helper::Sip, Helper::Tftp]);
}
