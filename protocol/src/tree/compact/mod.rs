//! akd's proofs without what follows from the rest.
//!
//! akd writes every label of a path out, although each parent's label is a prefix of the leaf's, a sibling's label begins
//! like its parent's, and the direction is a bit of the leaf's label. At versions 1, 2, 4, 8, … a lookup also carries the
//! existence proof twice. The compact form leaves all this out; restoring it gives akd's exact bytes. It is another
//! spelling for transport and proves nothing: what was restored is verified like any other proof.
//!
//! ```text
//! membership  32 leaf label | 32 value | level*                          from the root down, to the end
//! absence     32 leaf label | u8 bits of the longest prefix | child | child | 32 value of the prefix | level*
//! level       u8 bits by which the parent is longer than the one before (first: its bits) | child (the sibling)
//! child       u8 n | bits of its label behind its parent's, left-aligned, unused bits zero | 32 value
//!             n: 0 a missing child, 255 a leaf (256 bits in all), else the number of bits
//! ```
//!
//! A proof that does not have this shape has no compact form and travels as it is.

mod path;
mod proof;

pub use path::{compact_absence, compact_membership, restore_absence, restore_membership};
pub use proof::{compact_history, compact_lookup, restore_history, restore_lookup};
