//! Bounded reading of CBOR (RFC 8949), as CTAP2 authenticators write it.
//!
//! Always true: nothing is allocated, nesting and the number of items are bounded, lengths are
//! definite, and the reader knows where an item ends. The library decodes after us; what it
//! gets has an end and is shallow (attack 17).

/// An item's head, with the bytes of a string.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Item<'a> {
    /// A byte string.
    Bytes(&'a [u8]),
    /// A text string.
    Text(&'a str),
    /// An array of that many items, which follow.
    Array(u64),
    /// A map of that many pairs, which follow.
    Map(u64),
    /// A number, a truth value, null.
    Scalar,
}

/// Not CBOR that an authenticator writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the CBOR of an authenticator")]
pub struct NotCtapCbor;

/// How deep maps and arrays may be nested (CTAP2 writes four).
const DEPTH: u8 = 6;
/// How many items there may be.
const ITEMS: u16 = 256;

/// Reads one item after another.
#[derive(Clone, Debug)]
pub struct Cbor<'a> {
    rest: &'a [u8],
    items: u16,
}

impl<'a> Cbor<'a> {
    /// From the beginning of an item.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            items: ITEMS,
        }
    }

    /// What was not read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next item's head.
    pub fn next(&mut self) -> Result<Item<'a>, NotCtapCbor> {
        self.items = self.items.checked_sub(1).ok_or(NotCtapCbor)?;
        let (&first, rest) = self.rest.split_first().ok_or(NotCtapCbor)?;
        self.rest = rest;
        let (major, short) = (first >> 5, first & 0x1f);
        let argument = match short {
            0..=23 => u64::from(short),
            24 => self.number(1)?,
            25 => self.number(2)?,
            26 => self.number(4)?,
            27 => self.number(8)?,
            // Reserved, or of indefinite length.
            _ => return Err(NotCtapCbor),
        };
        match major {
            0 | 1 => Ok(Item::Scalar),
            2 => self.take(argument).map(Item::Bytes),
            3 => std::str::from_utf8(self.take(argument)?)
                .map(Item::Text)
                .map_err(|_| NotCtapCbor),
            4 => Ok(Item::Array(argument)),
            5 => Ok(Item::Map(argument)),
            // false, true, null; no floats, no tags.
            7 if (20..=22).contains(&short) => Ok(Item::Scalar),
            _ => Err(NotCtapCbor),
        }
    }

    /// Passes over one item and all that is in it; its bytes.
    pub fn skip(&mut self) -> Result<&'a [u8], NotCtapCbor> {
        let start = self.rest;
        self.skip_at(DEPTH)?;
        let length = start.len() - self.rest.len();
        start.get(..length).ok_or(NotCtapCbor)
    }

    fn skip_at(&mut self, depth: u8) -> Result<(), NotCtapCbor> {
        let inside = match self.next()? {
            Item::Array(items) => items,
            Item::Map(pairs) => pairs.checked_mul(2).ok_or(NotCtapCbor)?,
            _ => return Ok(()),
        };
        let depth = depth.checked_sub(1).ok_or(NotCtapCbor)?;
        // `next` ends this early: there are at most ITEMS of them.
        for _ in 0..inside {
            self.skip_at(depth)?;
        }
        Ok(())
    }

    fn number(&mut self, length: u64) -> Result<u64, NotCtapCbor> {
        let bytes = self.take(length)?;
        Ok(bytes
            .iter()
            .fold(0, |number, &byte| (number << 8) | u64::from(byte)))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], NotCtapCbor> {
        let length = usize::try_from(length).map_err(|_| NotCtapCbor)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(NotCtapCbor)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(bytes: &[u8]) -> Result<usize, NotCtapCbor> {
        Cbor::new(bytes).skip().map(<[u8]>::len)
    }

    #[test]
    fn an_item_ends_where_it_ends() {
        for (bytes, length) in [
            (&[0x00, 0xff][..], 1),
            (&[0x18, 0x18, 0xff], 2),
            (&[0x38, 0x63], 2),
            (&[0x43, 1, 2, 3, 4], 4),
            (&[0x58, 0x01, 9, 9], 3),
            (&[0x1a, 1, 2, 3, 4, 5], 5),
            (&[0x1b, 1, 2, 3, 4, 5, 6, 7, 8, 9], 9),
            (&[0x5a, 0, 0, 0, 1, 9, 9], 6),
            (&[0x5b, 0, 0, 0, 0, 0, 0, 0, 1, 9, 9], 10),
            (&[0x62, b'a', b'b'], 3),
            (&[0x82, 0x01, 0x20, 0x00], 3),
            (&[0xa1, 0x61, b'k', 0x41, 7, 0], 5),
            (&[0xf5, 0], 1),
            (&[0xa0], 1),
        ] {
            assert_eq!(skipped(bytes), Ok(length), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_no_authenticator_writes_is_refused() {
        for bytes in [
            &[][..],
            &[0x18],                                         // a length that is not there
            &[0x42, 1],                                      // a string that is cut off
            &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255], // longer than memory
            &[0x5f, 0x41, 1, 0xff],                          // indefinite
            &[0x9f, 0xff],
            &[0xc0, 0x00],                   // a tag
            &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], // a float
            &[0xf7],                         // undefined
            &[0x62, 0xc3, 0x28],             // not UTF-8
            &[0xbb, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0x9a, 255, 255, 255, 255],
            &[0x1c],
        ] {
            assert_eq!(skipped(bytes), Err(NotCtapCbor), "{bytes:02x?}");
        }
    }

    #[test]
    fn attack_17_depth_and_number_of_items_are_bounded() {
        let nested = |depth: usize| {
            let mut bytes = vec![0x81; depth];
            bytes.push(0);
            bytes
        };
        assert!(skipped(&nested(6)).is_ok());
        assert_eq!(skipped(&nested(7)), Err(NotCtapCbor));
        assert_eq!(skipped(&nested(100_000)), Err(NotCtapCbor));
        let many = |items: u16| {
            let mut bytes = vec![0x99];
            bytes.extend(items.to_be_bytes());
            bytes.extend(vec![0; usize::from(items)]);
            bytes
        };
        assert!(skipped(&many(255)).is_ok());
        assert_eq!(skipped(&many(256)), Err(NotCtapCbor));
    }
}
