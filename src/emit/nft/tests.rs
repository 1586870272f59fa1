use super::*;
use crate::net::{CtState, Interface};
use crate::ruleset::{Conntrack, Match, Target};

fn ruleset(family: Family, rules: Vec<Rule>) -> Ruleset {
    let policy = Some(ChainPolicy::Drop);
    let chain = Chain { name: "INPUT".into(), policy, rules };
    Ruleset {
        family,
        tables: vec![Table { name: TableName::Filter, chains: vec![chain] }],
        sets: Vec::new(),
        preserve: false,
    }
}

fn rule(matches: Vec<Match>, target: Target) -> Rule {
    Rule { matches, target, origin: Origin::Implicit("test") }
}

fn translate(rules: Vec<Rule>) -> Result<String, Vec<Untranslatable>> {
    let v6 = ruleset(Family::V6, Vec::new());
    nft(&ruleset(Family::V4, rules), &v6, &Header::default(), &Sources::new())
}

#[test]
fn a_family_is_a_table_that_replaces_itself() {
    let lo = MatchKind::In(Interface::loopback()).into();
    let dnat = Conntrack {
        states: [CtState::New].into_iter().collect(),
        dnat: true,
        ..Conntrack::default()
    };
    let dnat = MatchKind::Conntrack(dnat).into();
    let text = translate(vec![rule(vec![lo], Target::Accept), rule(vec![dnat], Target::Drop)]);
    let expected = "\
table ip palisade
delete table ip palisade
table ip palisade {
	chain filter_INPUT {
		type filter hook input priority 0; policy drop;
		# implicit test
		iifname \"lo\" accept
		jump filter_INPUT_rule1
	}
	chain filter_INPUT_rule2 {
		drop
	}
	chain filter_INPUT_rule1 {
		ct state & (new) != 0 goto filter_INPUT_rule2
		ct status dnat goto filter_INPUT_rule2
	}
}
";
    assert!(text.expect("translated").contains(expected));
}

#[test]
fn what_nft_cannot_say_is_listed() {
    let log = Target::Log { prefix: Some("$x".into()), level: 4 };
    let problems = translate(vec![rule(vec![], Target::Accept), rule(vec![], log)]);
    let problems = problems.expect_err("a variable");
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].rule, problems[0].reason.as_str()), (1, "a log prefix with '$'"));
}

#[test]
fn helpers_stand_behind_conntrack() {
    let told = |target| {
        let protocol = MatchKind::Protocol(crate::net::Protocol::TCP).into();
        rule(vec![protocol], target)
    };
    let base = vec![
        told(Target::Notrack),
        told(Target::Jump("own".into())),
        told(Target::Helper(crate::net::Helper::Ftp)),
    ];
    let own = vec![told(Target::Helper(crate::net::Helper::Sip))];
    let chains = vec![
        Chain { name: "PREROUTING".into(), policy: Some(ChainPolicy::Accept), rules: base },
        Chain { name: "own".into(), policy: None, rules: own },
    ];
    let tables = vec![Table { name: TableName::Raw, chains }];
    let v4 = Ruleset { family: Family::V4, tables, sets: Vec::new(), preserve: false };
    let v6 = ruleset(Family::V6, Vec::new());
    let text = nft(&v4, &v6, &Header::default(), &Sources::new()).expect("translated");
    let expected = "\
	ct helper helper_ftp_tcp { type \"ftp\" protocol tcp; l3proto ip; }
	ct helper helper_sip_tcp { type \"sip\" protocol tcp; l3proto ip; }
	chain raw_PREROUTING {
		type filter hook prerouting priority -300; policy accept;
		# implicit test
		meta l4proto 6 notrack
	}
	chain raw_PREROUTING_helpers1 {
		type filter hook prerouting priority -175; policy accept;
		# implicit test
		meta l4proto 6 jump raw_own
		meta l4proto 6 ct helper set \"helper_ftp_tcp\"
	}
	chain raw_own {
		# implicit test
		meta l4proto 6 ct helper set \"helper_sip_tcp\"
	}
";
    assert!(text.contains(expected), "{text}");
}
