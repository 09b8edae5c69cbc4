//! What akd itself says about the same bytes. A panic of akd counts as a refusal.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use akd_core::configuration::{Configuration as _, WhatsAppV1Configuration as Akd};
use akd_core::ecvrf::{HardCodedAkdVRF, Proof as VrfProof, VRFKeyStorage as _, VRFPublicKey};
use akd_core::proto::specs::types as pb;
use akd_core::verify::history::HistoryParams;
use akd_core::verify::{
    HistoryVerificationParams, key_history_verify, lookup_verify, verify_nonmembership_for_tests_only,
};
use akd_core::{
    AkdLabel, HistoryProof, LookupProof, NonMembershipProof, SingleAppendOnlyProof, VersionFreshness,
};
use protobuf::Message;

use super::case::{Ask, Case};

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Keeps akd's panics (version 0, unknown directions) out of the output of the tests.
fn quiet_panics_of_akd() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info
                .location()
                .is_some_and(|location| location.file().contains("akd_core-"))
            {
                default(info);
            }
        }));
    });
}

pub fn accepts(case: &Case) -> bool {
    quiet_panics_of_akd();
    catch_unwind(AssertUnwindSafe(|| verdict(case).is_some())).unwrap_or(false)
}

fn parse<P: Message, T: for<'a> TryFrom<&'a P>>(bytes: &[u8]) -> Option<T> {
    T::try_from(&P::parse_from_bytes(bytes).ok()?).ok()
}

fn verdict(case: &Case) -> Option<()> {
    let (root, epoch) = (case.head.root, case.head.epoch);
    let label = AkdLabel::from(case.label.as_str());
    match &case.ask {
        Ask::Lookup { .. } => {
            let proof: LookupProof = parse::<pb::LookupProof, _>(&case.proof)?;
            lookup_verify::<Akd>(&case.head.vrf, root, epoch, label, proof)
                .ok()
                .map(drop)
        }
        Ask::History { since } => {
            let proof: HistoryProof = parse::<pb::HistoryProof, _>(&case.proof)?;
            let newest = proof.update_proofs.first()?.version;
            let count = usize::try_from(newest.checked_add(1)?.checked_sub(*since)?).ok()?;
            let params = if *since == 1 {
                HistoryParams::Complete
            } else {
                HistoryParams::MostRecent(count)
            };
            let lenient = |history_params| HistoryVerificationParams::AllowMissingValues { history_params };
            key_history_verify::<Akd>(&case.head.vrf, root, epoch, label, proof, lenient(params))
                .ok()
                .map(drop)
        }
        Ask::Absence { vrf_proof } => {
            let proof: NonMembershipProof = parse::<pb::NonMembershipProof, _>(&case.proof)?;
            let leaf = vrf_label(&case.head.vrf, &label, vrf_proof)?;
            (leaf == proof.label).then_some(())?;
            verify_nonmembership_for_tests_only::<Akd>(root, &proof).ok()
        }
        Ask::AppendOnly { previous } => {
            let proof: SingleAppendOnlyProof = parse::<pb::SingleAppendOnlyProof, _>(&case.proof)?;
            let epochs = vec![epoch.checked_sub(1)?];
            let proof = akd_core::AppendOnlyProof {
                proofs: vec![proof],
                epochs,
            };
            block_on(akd::auditor::audit_verify::<Akd>(vec![*previous, root], proof)).ok()
        }
        Ask::Vrf => vrf_label(&case.head.vrf, &label, &case.proof).map(drop),
    }
}

/// The leaf of (label, fresh, 1), if akd accepts the VRF proof.
fn vrf_label(key: &[u8], label: &AkdLabel, proof: &[u8]) -> Option<akd_core::NodeLabel> {
    let key = VRFPublicKey::try_from(key).ok()?;
    let proof = VrfProof::try_from(proof).ok()?;
    key.verify(
        &proof,
        &Akd::get_hash_from_label_input(label, VersionFreshness::Fresh, 1),
    )
    .ok()?;
    Some(block_on(HardCodedAkdVRF.get_node_label_from_vrf_proof(proof)))
}
