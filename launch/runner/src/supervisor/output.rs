//! A child's output: bytes to bounded lines, the last lines kept.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};

/// Lines kept of each child.
const TAIL_LINES: usize = 200;
/// Longest line, in bytes; longer ones are cut into pieces of this length.
const MAX_LINE_BYTES: usize = 4096;
/// Most bytes taken from one pipe in one turn, so that a chatterbox starves nobody.
const MAX_TURN_BYTES: usize = 64 * 1024;

/// The last lines of a child.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
}

impl Tail {
    pub(super) fn push(&mut self, line: String) {
        if self.lines.len() == TAIL_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

/// Whether a pipe may still bring something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pipe {
    Open,
    Closed,
}

/// Cuts the bytes of one pipe into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Reads what there is from a non-blocking pipe and hands over whole lines.
    pub(super) fn read(&mut self, pipe: &mut impl Read, line: &mut impl FnMut(String)) -> Pipe {
        let mut buffer = [0_u8; 8192];
        let mut taken = 0;
        while taken < MAX_TURN_BYTES {
            match pipe.read(&mut buffer) {
                Ok(0) => return Pipe::Closed,
                Ok(n) => {
                    taken += n;
                    self.take(buffer.get(..n).unwrap_or(&[]), line);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Pipe::Open,
                Err(_) => return Pipe::Closed,
            }
        }
        Pipe::Open
    }

    /// Hands over a last line without end.
    pub(super) fn finish(&mut self, line: &mut impl FnMut(String)) {
        if !self.pending.is_empty() {
            line(text(&std::mem::take(&mut self.pending)));
        }
    }

    fn take(&mut self, bytes: &[u8], line: &mut impl FnMut(String)) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (piece, ended) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            for part in piece.chunks(MAX_LINE_BYTES) {
                if self.pending.len() + part.len() > MAX_LINE_BYTES {
                    line(text(&std::mem::take(&mut self.pending)));
                }
                self.pending.extend_from_slice(part);
            }
            if ended {
                line(text(&std::mem::take(&mut self.pending)));
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            lines.read(&mut &piece[..], &mut |l| out.push(l));
        }
        lines.finish(&mut |l| out.push(l));
        out
    }

    #[test]
    fn lines_survive_any_cut() {
        assert_eq!(cut(&[b"a\nb", b"c\r\n\nd"]), ["a", "bc", "", "d"]);
        assert_eq!(cut(&[b"\xff\n"]), ["\u{fffd}"]);
        assert_eq!(cut(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let out = cut(&[&[b'x'; 10_000]]);
        assert_eq!(out.iter().map(String::len).collect::<Vec<_>>(), [4096, 4096, 1808]);
    }

    #[test]
    fn the_tail_keeps_the_newest() {
        let mut tail = Tail::default();
        (0..300).for_each(|i| tail.push(i.to_string()));
        let lines = tail.lines();
        assert_eq!((lines.len(), lines.first().map(String::as_str)), (200, Some("100")));
    }
}
