use super::*;

/// The spans' starts of the statements that took the packet, with `log:` marks, and the decision.
fn way(policy: &Policy, packet: &Packet, has_room: bool) -> (Vec<usize>, Vec<String>, Decision) {
    let meaning = meaning(policy);
    let trace = meaning.trace(BaseChain::FilterInput, packet, &mut |question| match question {
        Question::Limit(_) => has_room,
        Question::Log(_) => true,
    });
    let number = |step: &Step<'_>| match step.entry.reason {
        Reason::Written(origin) => origin.span.start(),
        Reason::Implicit(_) | Reason::Restored => 998,
        Reason::Default(_) => 999,
    };
    let prefix = |log: &Log| log.prefix.as_deref().unwrap_or_default().to_owned();
    let logs = trace.logs().map(prefix).collect();
    (trace.steps.iter().map(number).collect(), logs, trace.decision)
}

fn steps(policy: &Policy) -> Vec<usize> {
    way(policy, &ssh(Family::V4), true).0
}

fn in_chain(number: usize, action: Action) -> Rule {
    rule(number, action, vec![all(Scope::Chain)])
}

fn logging(number: usize, scope: Scope) -> Rule {
    Rule { log: Some(log("x")), ..rule(number, Action::Log, vec![all(scope)]) }
}

fn jumping(action: Action, chains: Vec<Chain>) -> Policy {
    let items = vec![
        Item::Rule(rule(1, action, vec![all(INPUT)])),
        Item::Rule(rule(2, Action::Allow, vec![all(INPUT)])),
    ];
    Policy { chains, ..no_implicit(policy(items)) }
}

#[test]
fn the_end_of_a_jump_comes_back_and_the_end_of_a_goto_does_not() {
    let walked = || vec![chain("a", vec![logging(10, Scope::Chain)])];
    assert_eq!(steps(&jumping(Action::Jump(ChainId(0)), walked())), [1, 10, 2]);
    let (steps, logs, decision) =
        way(&jumping(Action::Goto(ChainId(0)), walked()), &ssh(Family::V4), true);
    assert_eq!((steps, logs), (vec![1, 10, 999], vec!["x".to_owned()]));
    assert_eq!(decision, Decision::Drop);
}

#[test]
fn a_return_leaves_the_chain_and_at_the_top_means_the_default() {
    let chains = vec![chain("a", vec![in_chain(10, Action::Return), in_chain(11, Action::Drop)])];
    assert_eq!(steps(&jumping(Action::Jump(ChainId(0)), chains.clone())), [1, 10, 2]);
    assert_eq!(steps(&jumping(Action::Goto(ChainId(0)), chains)), [1, 10, 999]);
    let mut top = jumping(Action::Return, Vec::new());
    top.defaults.input.log = Some(log("rest"));
    top.defaults.input.verdict = Verdict::Reject(RejectWith::PortUnreachable);
    let (steps, logs, decision) = way(&top, &ssh(Family::V4), true);
    assert_eq!((steps, logs), (vec![1, 999], vec!["rest".to_owned()]));
    assert_eq!(decision, Decision::Reject(RejectWith::PortUnreachable));
}

#[test]
fn a_goto_ends_at_the_caller_of_its_own_chain() {
    let chains = vec![
        chain("a", vec![in_chain(10, Action::Goto(ChainId(1))), in_chain(11, Action::Drop)]),
        chain("b", vec![logging(20, Scope::Chain)]),
    ];
    assert_eq!(steps(&jumping(Action::Jump(ChainId(0)), chains)), [1, 10, 20, 2]);
}

#[test]
fn a_decision_in_a_chain_is_final() {
    let chains = vec![chain("a", vec![in_chain(10, Action::Drop)])];
    let jump = jumping(Action::Jump(ChainId(0)), chains);
    assert_eq!(way(&jump, &ssh(Family::V4), true), (vec![1, 10], vec![], Decision::Drop));
}

#[test]
fn flows_of_another_scope_say_nothing_in_a_chain() {
    let chains = vec![chain("a", vec![rule(10, Action::Drop, vec![all(INPUT)])])];
    assert_eq!(steps(&jumping(Action::Jump(ChainId(0)), chains)), [1, 2]);
    let top = rule(1, Action::Drop, vec![all(Scope::Chain)]);
    assert_eq!(steps(&no_implicit(policy(vec![Item::Rule(top)]))), [999]);
}

#[test]
fn rings_and_unknown_chains_end() {
    for action in [Action::Jump(ChainId(0)), Action::Goto(ChainId(0))] {
        let ring = vec![chain("a", vec![in_chain(10, action)])];
        assert_eq!(way(&jumping(action, ring), &ssh(Family::V4), true).2, Decision::Drop);
    }
    assert_eq!(steps(&jumping(Action::Jump(ChainId(7)), Vec::new())), [1, 999]);
}

#[test]
fn deep_chains_do_not_need_a_deep_stack() {
    let count = 50_000;
    let next = |index: u32| chain("a", vec![in_chain(10, Action::Jump(ChainId(index + 1)))]);
    let mut chains: Vec<Chain> = (0..count).map(next).collect();
    chains.push(chain("last", vec![in_chain(11, Action::Allow)]));
    let deep = jumping(Action::Jump(ChainId(0)), chains);
    assert_eq!(way(&deep, &ssh(Family::V4), true).2, Decision::Accept);
}

#[test]
fn over_the_limit_a_packet_goes_on_unlogged() {
    let allow = Rule { log: Some(log("x")), ..rule(1, Action::Allow, vec![all(INPUT)]) };
    let items = vec![
        Item::Rule(limited(allow, &[3, 4])),
        Item::Rule(rule(2, Action::Drop, vec![all(INPUT)])),
    ];
    let policy = no_implicit(policy(items));
    let logged = vec!["x".to_owned()];
    assert_eq!(way(&policy, &ssh(Family::V4), true), (vec![1], logged, Decision::Accept));
    assert_eq!(way(&policy, &ssh(Family::V4), false), (vec![2], vec![], Decision::Drop));
    let meaning = meaning(&policy);
    assert_eq!(meaning.limits.keys().copied().collect::<Vec<_>>(), [LimitId(3), LimitId(4)]);
}

#[test]
fn a_limit_is_asked_once_a_packet_and_after_everything_else() {
    let lists = |port| flow(INPUT, anywhere(), anywhere(), vec![tcp_part(port)]);
    let twice = vec![lists("22"), all(INPUT), all(OUTPUT)];
    let log_and_drop = Rule { log: Some(log("x")), ..rule(1, Action::Drop, twice) };
    let other = limited(rule(0, Action::Drop, vec![lists("23")]), &[1]);
    let policy =
        no_implicit(policy(vec![Item::Rule(other), Item::Rule(limited(log_and_drop, &[2, 3]))]));
    let meaning = meaning(&policy);
    for (answer, expected) in [(true, vec![2, 3, 100]), (false, vec![2])] {
        let mut asked = Vec::new();
        meaning.trace(BaseChain::FilterInput, &ssh(Family::V4), &mut |question| {
            asked.push(match question {
                Question::Limit(id) => id.0,
                Question::Log(_) => 100,
            });
            answer
        });
        assert_eq!(asked, expected);
    }
}

#[test]
fn a_log_that_is_over_its_rate_does_not_stop_the_verdict() {
    let allow = Rule { log: Some(log("x")), ..rule(1, Action::Allow, vec![all(INPUT)]) };
    let meaning = meaning(&no_implicit(policy(vec![Item::Rule(allow)])));
    let trace = meaning.trace(BaseChain::FilterInput, &ssh(Family::V4), &mut |_| false);
    assert_eq!((trace.logs().count(), trace.decision), (0, Decision::Accept));
}

#[test]
fn a_log_rule_logs_and_goes_on() {
    let policy = no_implicit(policy(vec![Item::Rule(logging(1, INPUT))]));
    let (steps, logs, decision) = way(&policy, &ssh(Family::V4), true);
    assert_eq!((steps, logs), (vec![1, 999], vec!["x".to_owned()]));
    assert_eq!(decision, Decision::Drop);
}
