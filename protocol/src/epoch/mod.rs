//! Epochs: the leaf that states one, the checkpoint that signs it, and who vouches for it.
//!
//! [`SignedEpoch`] is what arrives. [`SignedEpoch::verify`] is the only way to a [`VerifiedEpoch`], and the
//! [`Standing`] in it says whether the policy is met: `audited` is part of the verdict, not an afterthought.

mod head;
pub mod leaf;
mod signed;
mod standing;
mod trust;

pub use head::{HeadError, SeenHead};
pub use leaf::{Leaf, LeafError};
pub use signed::{EpochError, SignedEpoch, VerifiedEpoch};
pub use standing::{Shortfall, Standing};
pub use trust::{TimeBounds, Trust, TrustError};

pub(crate) use signed::{hashes, included_leaf};
