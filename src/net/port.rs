//! Ports and sets of them.

use std::fmt;

use super::IntervalSet;

/// A set of ports, 0 to 65535.
pub type Ports = IntervalSet<u16>;

/// Why a text is not a port or a range of ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortError {
    /// Not a decimal number at all.
    NotANumber,
    /// Above 65535.
    TooLarge(String),
    /// The first port is above the last.
    Reversed { low: u16, high: u16 },
}

/// Reads `443` or `8000-8100`.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse_ports(text: &str) -> Result<Ports, PortError> {
    let Some((low, high)) = text.split_once('-') else {
        return parse_port(text).map(Ports::single);
    };
    let (low, high) = (parse_port(low)?, parse_port(high)?);
    if low > high {
        return Err(PortError::Reversed { low, high });
    }
    Ok(Ports::range(low, high))
}

/// Reads one port.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse_port(text: &str) -> Result<u16, PortError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PortError::NotANumber);
    }
    text.parse().map_err(|_| PortError::TooLarge(text.to_owned()))
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortError::NotANumber => f.write_str("not a port number"),
            PortError::TooLarge(port) => {
                write!(f, "port `{port}` is above 65535, the highest there is")
            }
            PortError::Reversed { low, high } => {
                write!(f, "the range `{low}-{high}` ends before it starts")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_with_exact_complaints() {
        assert_eq!(parse_ports("0-65535"), Ok(Ports::full()));
        assert_eq!(parse_ports("99999"), Err(PortError::TooLarge("99999".to_owned())));
        assert_eq!(parse_ports("90-80"), Err(PortError::Reversed { low: 90, high: 80 }));
        assert_eq!(parse_ports("0x10"), Err(PortError::NotANumber));
    }
}
