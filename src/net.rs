//! The values that packets and rules are made of: addresses, ports, protocols, interfaces, rates.
//!
//! Each is a type of its own that cannot be made wrong. Knows nothing of policies or rules.

pub mod address;
pub mod dscp;
pub mod duration;
pub mod helper;
pub mod icmp;
pub mod interface;
pub mod interval;
pub mod port;
pub mod protocol;
pub mod rate;
pub mod state;
pub mod window;

pub use address::{AddressError, Addresses, Families, Family, Prefix};
pub use dscp::Dscp;
pub use duration::{Duration, DurationError};
pub use helper::Helper;
pub use icmp::IcmpType;
pub use interface::{Interface, InterfaceError};
pub use interval::{Bounded, IntervalSet};
pub use port::{PortError, Ports};
pub use protocol::{PortProtocol, Protocol};
pub use rate::{Rate, RateError, Unit};
pub use state::{Account, CtState, CtStates, FlagMatch, Mac, MarkMatch, TcpFlags};
pub use window::{Minute, TimeWindow, Weekday, Weekdays};
