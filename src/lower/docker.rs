//! `docker { … }` → the chain DOCKER-USER, which Docker's own rules ask first.

use crate::net::CtState;
use crate::resolve::policy::{Docker, Origin, Scope};
use crate::ruleset::{Chain, Conntrack, DOCKER_USER, Match, MatchKind, Target};

use super::Lowering;
use super::body::Body;
use super::layout::Ending;
use super::set::Alternative;

impl Lowering<'_> {
    /// The chain that Docker jumps to. All it lets go on is by the end of the chain or RETURN: then
    /// Docker's own rules decide.
    ///
    /// The rules of the block are gone to, so their RETURN is that of DOCKER-USER.
    pub(super) fn docker_user(&mut self, docker: &Docker) -> Chain {
        let origin = Origin { span: docker.span, call: None };
        let mut body = Body::default();
        for rule in &docker.rules {
            self.filter_rule(&mut body, rule, Scope::Docker);
        }
        let layout = self.layout(origin);
        body.rules.push(layout.rule(Vec::new(), &Target::Drop.into()));
        let published = body.finish(&mut self.filter);
        let published = self.filter.named("docker", published);

        let layout = self.layout(origin);
        let go_on = |matches: Alternative| layout.rule(matches, &Target::Return.into());
        let mut rules = vec![go_on(vec![answers()])];
        for bridge in super::place::widest(&docker.bridges) {
            rules.push(go_on(vec![MatchKind::In(bridge.clone()).into()]));
        }
        for bridge in super::place::widest(&docker.bridges) {
            let matches = vec![MatchKind::Out(bridge.clone()).into(), translated()];
            rules.push(layout.rule(matches, &Ending::from(Target::Goto(published.clone()))));
        }
        Chain { name: DOCKER_USER.into(), policy: None, rules }
    }
}

fn answers() -> Match {
    let states = [CtState::Related, CtState::Established].into_iter().collect();
    MatchKind::Conntrack(Conntrack { states, ..Conntrack::default() }).into()
}

/// Sent to a port that is published: Docker gives it the container's address.
fn translated() -> Match {
    MatchKind::Conntrack(Conntrack { dnat: true, ..Conntrack::default() }).into()
}
