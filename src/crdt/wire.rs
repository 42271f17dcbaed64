//! Bytes between instances: numbers, strings, and reading them back from a peer that may be broken.
//!
//! Owns the primitives. A reader takes nothing for granted: every length is compared with what is there before memory is
//! taken for it. Must not know messages.

/// What a peer sent is no message, and why. The link that brought it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Bytes that are still to be read.
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// All of a frame.
    pub fn new(frame: &'a [u8]) -> Self {
        Input { rest: frame }
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// So many bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed("a frame ends early"))?;
        self.rest = rest;
        Ok(*array)
    }

    /// One byte.
    ///
    /// # Errors
    /// There is none.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed("a frame ends early"))?;
        self.rest = rest;
        Ok(*first)
    }

    /// A number of one to ten bytes, seven bits in each, the lowest first. (LEB128.)
    ///
    /// # Errors
    /// It ends early or is above 64 bits.
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed("a number has more than 64 bits"))
    }

    /// A number of eight bytes, the lowest first: shorter than [`number`](Self::number) for those that are nearly always large.
    ///
    /// # Errors
    /// It ends early.
    pub fn fixed(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A string of at most `most` bytes, its length in front.
    ///
    /// # Errors
    /// It is longer, or ends early.
    pub fn bytes(&mut self, most: usize) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if length > most {
            return Err(Malformed("a string is longer than it may be"));
        }
        let (string, rest) = self.rest.split_at_checked(length).ok_or(Malformed("a string ends early"))?;
        self.rest = rest;
        Ok(string)
    }
}

/// Writes a number as [`Input::number`] reads it.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a number as [`Input::fixed`] reads it.
pub fn put_fixed(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Writes a string as [`Input::bytes`] reads it.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What can travel: keys and values.
pub trait Wire: Sized {
    /// Appends it.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads it back.
    ///
    /// # Errors
    /// What is there is none.
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_strings_come_back(number: u64, string: Vec<u8>) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_fixed(&mut out, number);
            put_bytes(&mut out, &string);
            let mut input = Input::new(&out);
            prop_assert_eq!(input.number(), Ok(number));
            prop_assert_eq!(input.fixed(), Ok(number));
            prop_assert_eq!(input.bytes(string.len()), Ok(string.as_slice()));
            prop_assert!(input.is_empty());
        }
    }

    #[test]
    fn what_is_too_large_or_too_short_is_refused() {
        assert!(Input::new(&[0xff; 10]).number().is_err());
        assert!(Input::new(&[0xff; 3]).number().is_err());
        assert!(Input::new(&[0xff; 7]).fixed().is_err());
        assert_eq!(Input::new(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").number(), Ok(u64::MAX));
        assert!(Input::new(b"\x03abc").bytes(2).is_err());
        assert!(Input::new(b"\x04abc").bytes(10).is_err());
    }
}
