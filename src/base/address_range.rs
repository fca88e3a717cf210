//! Ranges of IP addresses (CIDR, RFC 4632): which proxies are believed.

use std::{fmt, net::IpAddr, str::FromStr};

/// `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressRange {
    address: IpAddr,
    bits: u8,
}

/// A text is not a range of addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("write an address such as 10.0.0.7 or a range such as 10.0.0.0/8")]
pub struct NotARange;

impl AddressRange {
    /// Whether `address` lies in it. An IPv4 address that is written as IPv6 counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        let mask = |bits: u128, width: u8| bits >> (width - self.bits).min(127);
        match (self.address, address.to_canonical()) {
            _ if self.bits == 0 => self.address.is_ipv4() == address.to_canonical().is_ipv4(),
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                mask(u128::from(own.to_bits()), 32) == mask(u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                mask(own.to_bits(), 128) == mask(other.to_bits(), 128)
            }
            _ => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotARange)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| NotARange)?,
            None => width,
        };
        (bits <= width)
            .then_some(Self { address, bits })
            .ok_or(NotARange)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_range_or_not() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
            ("::/0", "2001:db8::1", "8.8.8.8"),
            ("192.168.4.4/31", "192.168.4.5", "192.168.4.6"),
        ] {
            let parsed: AddressRange = range.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(
                !parsed.contains(outside.parse().unwrap()),
                "{range} {outside}"
            );
        }
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "proxy",
            "1.2.3.4/-1",
        ] {
            assert_eq!(text.parse::<AddressRange>(), Err(NotARange), "{text}");
        }
    }
}
