//! Where a rule comes from, in the words of the comment lines and the plan.

use crate::ruleset::Origin;
use crate::source::Sources;

use super::quote::one_line;

/// `implicit established`, `default`, `web.fw:7`; inside a `def` the use first, since that is what
/// its author knows: `web.fw:7, lib.fw:2`.
#[must_use]
pub fn origin_text(origin: Origin, sources: &Sources) -> String {
    let text = match origin {
        Origin::Implicit(name) => format!("implicit {name}"),
        Origin::Default(None) => "default".to_owned(),
        Origin::Default(Some(span)) => format!("default {}", sources.locate(span)),
        Origin::Statement { span, call: None } | Origin::Read(span) => sources.locate(span),
        Origin::Statement { span, call: Some(call) } => {
            format!("{}, {}", sources.locate(call), sources.locate(span))
        }
    };
    one_line(&text)
}
