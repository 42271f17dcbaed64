//! Finds where frames end in output that was encoded here.
//!
//! Owns just enough of the syntax to skip frames. Must only be given what [`super::reply`] and [`super::push`] wrote: it
//! takes every length for true.

/// Follows a stream of frames from a place between two of them.
#[derive(Default)]
pub struct Boundary {
    /// Elements of the frame that are still to come.
    elements: u64,
    /// Bytes of a payload, and its line end, that are still to come.
    payload: u64,
    /// The header line that has begun.
    line: Vec<u8>,
}

impl Boundary {
    /// Goes over `bytes`, all of them.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[self.step(bytes)..];
        }
    }

    /// Goes over `bytes` up to the end of the frame that has begun, or over all of them. Returns how many that are.
    pub fn finish(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while passed < bytes.len() && !self.is_between() {
            passed += self.step(&bytes[passed..]);
        }
        passed
    }

    /// Whether no frame has begun.
    pub fn is_between(&self) -> bool {
        self.elements == 0 && self.payload == 0 && self.line.is_empty()
    }

    /// Goes over what is left of a payload or a header line; `bytes` is not empty.
    fn step(&mut self, bytes: &[u8]) -> usize {
        if self.payload > 0 {
            let passed = bytes.len().min(usize::try_from(self.payload).unwrap_or(usize::MAX));
            self.payload -= passed as u64;
            return passed;
        }
        match memchr::memchr(b'\n', bytes) {
            Some(end) => {
                self.line.extend_from_slice(&bytes[..end]);
                self.header();
                end + 1
            }
            None => {
                self.line.extend_from_slice(bytes);
                bytes.len()
            }
        }
    }

    fn header(&mut self) {
        // A line outside a frame begins one of a single element.
        self.elements = self.elements.max(1) - 1;
        let line = std::mem::take(&mut self.line);
        let number = || std::str::from_utf8(&line[1..]).ok()?.trim_end().parse::<u64>().ok();
        match line.first() {
            Some(b'$' | b'=') => self.payload = number().map_or(0, |length| length + 2),
            Some(b'*' | b'>' | b'~') => self.elements += number().unwrap_or(0),
            Some(b'%') => self.elements += 2 * number().unwrap_or(0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_ends_where_it_ends() {
        let frames: [&[u8]; 9] = [
            b"+OK\r\n",
            b":1\r\n",
            b"$-1\r\n",
            b"_\r\n",
            b"$4\r\na\r\nb\r\n",
            b"*3\r\n$7\r\nmessage\r\n$0\r\n\r\n$3\r\n*1\r\r\n",
            b"*0\r\n",
            b"%2\r\n$1\r\na\r\n*1\r\n:1\r\n$1\r\nb\r\n%0\r\n",
            b">2\r\n*2\r\n:1\r\n:2\r\n=7\r\ntxt:a\r\n\r\n",
        ];
        let all = frames.concat();
        let ends: Vec<usize> = frames
            .iter()
            .scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            })
            .collect();
        for cut in 0..=all.len() {
            let mut boundary = Boundary::default();
            boundary.pass(&all[..cut]);
            let end = cut + boundary.finish(&all[cut..]);
            let expected = if cut == 0 { 0 } else { *ends.iter().find(|end| **end >= cut).unwrap() };
            assert_eq!(end, expected, "cut at {cut}");
        }
    }
}
