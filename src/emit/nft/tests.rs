use super::*;
use crate::net::{CtState, Interface};
use crate::ruleset::{Conntrack, Match, Target};

fn ruleset(family: Family, rules: Vec<Rule>) -> Ruleset {
    let policy = Some(ChainPolicy::Drop);
    let chain = Chain { name: "INPUT".into(), policy, rules };
    Ruleset {
        family,
        tables: vec![Table { name: TableName::Filter, chains: vec![chain] }],
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
