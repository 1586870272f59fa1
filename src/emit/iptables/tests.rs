use super::*;
use crate::ruleset::{Rule, TableName, Target};
use crate::source::Span;

fn rule(origin: Origin) -> Rule {
    Rule { matches: Vec::new(), target: Target::Accept, origin }
}

#[test]
fn every_chain_is_declared_and_every_group_has_its_origin() {
    let mut sources = Sources::new();
    let file = sources.add("web.fw\n-A INPUT -j ACCEPT", "allow ssh; allow http\nallow dns\n");
    let at = |start: usize, call: Option<usize>| Origin::Statement {
        span: Span::new(file, start..start + 3),
        call: call.map(|start| Span::new(file, start..start + 3)),
    };
    let origins = [
        Origin::Implicit("loopback"),
        at(0, None),
        at(11, None),
        at(22, Some(0)),
        Origin::Default(None),
    ];
    let input = Chain {
        name: "INPUT".into(),
        policy: Some(ChainPolicy::Drop),
        rules: origins.into_iter().map(rule).collect(),
    };
    let own = Chain { name: "guard".into(), policy: None, rules: Vec::new() };
    let filter = Table { name: TableName::Filter, chains: vec![own, input] };
    let raw = Table { name: TableName::Raw, chains: Vec::new() };
    let ruleset = Ruleset {
        family: Family::V4,
        tables: vec![filter, raw],
        sets: Vec::new(),
        preserve: false,
    };
    let notes = vec!["loaded by hand\n-A INPUT -j ACCEPT".to_owned()];
    let header = Header { version: "1.0".to_owned(), digest: "0f".to_owned(), notes };
    let expected = "\
# palisade 1.0: IPv4 rules
# policy sha256:0f
# loaded by hand
# -A INPUT -j ACCEPT
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:guard - [0:0]
# implicit loopback
-A INPUT -j ACCEPT
# web.fw?-A INPUT -j ACCEPT:1
-A INPUT -j ACCEPT
-A INPUT -j ACCEPT
# web.fw?-A INPUT -j ACCEPT:1, web.fw?-A INPUT -j ACCEPT:2
-A INPUT -j ACCEPT
# default
-A INPUT -j ACCEPT
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
";
    assert_eq!(iptables(&ruleset, &header, &sources), expected);
}
