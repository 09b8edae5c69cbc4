//! Changes to a text that are collected first and made at once.

use std::ops::Range;

/// Insertions and deletions by byte offset.
#[derive(Default)]
pub(super) struct Edits {
    /// Offset; closing ones before opening ones; then the order in which they must stand; the text.
    inserts: Vec<(usize, i64, String)>,
    deletes: Vec<Range<usize>>,
}

impl Edits {
    /// Text before and behind a range. Ranges that were wrapped earlier stand outside.
    pub(super) fn wrap(&mut self, range: Range<usize>, before: &str, after: &str) {
        let order = i64::try_from(self.inserts.len()).unwrap() + 1;
        self.inserts.push((range.start, order, before.to_owned()));
        self.inserts.push((range.end, -order, after.to_owned()));
    }

    /// Text at an offset.
    pub(super) fn insert(&mut self, at: usize, text: &str) {
        let order = i64::try_from(self.inserts.len()).unwrap() + 1;
        self.inserts.push((at, order, text.to_owned()));
    }

    /// Takes a range away.
    pub(super) fn delete(&mut self, range: Range<usize>) {
        self.deletes.push(range);
    }

    /// The changed text.
    pub(super) fn apply(mut self, source: &str) -> String {
        self.inserts.sort_by_key(|(at, order, _)| (*at, *order));
        let mut out = String::with_capacity(source.len() * 2);
        let mut inserts = self.inserts.iter().peekable();
        for (at, character) in source.char_indices() {
            while let Some((_, _, text)) = inserts.next_if(|(place, _, _)| *place <= at) {
                out.push_str(text);
            }
            if !self.deletes.iter().any(|r| r.contains(&at)) {
                out.push(character);
            }
        }
        for (_, _, text) in inserts {
            out.push_str(text);
        }
        out
    }
}
