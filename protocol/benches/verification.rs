//! Verification, ours beside akd's on the same bytes: `cargo bench -p keyglass-protocol`.
//!
//! Small trees, so that it starts at once; `cargo xtask bench-verify` measures large ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

use std::sync::LazyLock;

use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::{AppendOnlyProof, AzksParallelismConfig, Directory, EpochHash};
use akd_core::configuration::{Configuration as _, WhatsAppV1Configuration as Akd};
use akd_core::ecvrf::{HardCodedAkdVRF, Output, Proof, VRFKeyStorage as _, VRFPublicKey};
use akd_core::proto::specs::types as pb;
use akd_core::{AkdLabel, AkdValue, LookupProof, VersionFreshness};
use divan::Bencher;
use keyglass_protocol::quantity::{Epoch, KeyVersion, RootHash};
use keyglass_protocol::tree::{
    Freshness, Hashing, TreeHead, VrfPublicKey, Work, verify_append_only_in_parts, verify_lookup, verify_vrf,
};
use protobuf::Message as _;

fn main() {
    divan::main();
}

/// 5,000 accounts, and 1,000 more: the step, and a lookup in the tree after it.
struct Scene {
    before: EpochHash,
    after: EpochHash,
    step: AppendOnlyProof,
    step_bytes: Vec<u8>,
    label: AkdLabel,
    lookup: LookupProof,
    lookup_bytes: Vec<u8>,
    key: [u8; 32],
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| runtime().block_on(scene()));

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

async fn scene() -> Scene {
    let storage = StorageManager::new_no_cache(AsyncInMemoryDatabase::new());
    let parallelism = AzksParallelismConfig::disabled();
    let directory = Directory::<Akd, _, _>::new(storage, HardCodedAkdVRF, parallelism)
        .await
        .unwrap();
    let batch = |from: u32, to: u32| {
        let account = |i| {
            (
                AkdLabel(format!("account:{i}").into_bytes()),
                AkdValue(vec![7; 300]),
            )
        };
        (from..to).map(account).collect()
    };
    let before = directory.publish(batch(0, 5_000)).await.unwrap();
    let after = directory.publish(batch(5_000, 6_000)).await.unwrap();
    let step = directory.audit(before.epoch(), after.epoch()).await.unwrap();
    let step_bytes = pb::SingleAppendOnlyProof::from(&step.proofs[0])
        .write_to_bytes()
        .unwrap();
    let label = AkdLabel::from("account:77");
    let (lookup, after) = directory.lookup(label.clone()).await.unwrap();
    let lookup_bytes = pb::LookupProof::from(&lookup).write_to_bytes().unwrap();
    let key = *HardCodedAkdVRF.get_vrf_public_key().await.unwrap().as_bytes();
    Scene {
        before,
        after,
        step,
        step_bytes,
        label,
        lookup,
        lookup_bytes,
        key,
    }
}

/// One audit proof. akd gets it decoded already.
mod audit {
    use super::*;

    #[divan::bench]
    fn akd(bencher: Bencher<'_, '_>) {
        let (scene, runtime) = (&*SCENE, runtime());
        let roots = vec![scene.before.hash(), scene.after.hash()];
        bencher
            .with_inputs(|| (roots.clone(), scene.step.clone()))
            .bench_values(|(roots, proof)| {
                runtime
                    .block_on(akd::auditor::audit_verify::<Akd>(roots, proof))
                    .unwrap()
            });
    }

    #[divan::bench(args = [Hashing::OneByOne, Hashing::ManyAtOnce])]
    fn keyglass(bencher: Bencher<'_, '_>, hashing: Hashing) {
        let scene = &*SCENE;
        let (before, after) = (
            RootHash::new(scene.before.hash()),
            RootHash::new(scene.after.hash()),
        );
        let work = Work {
            hashing,
            ..Work::default()
        };
        let epoch = Epoch::new(scene.after.epoch());
        bencher.bench(|| {
            verify_append_only_in_parts(
                divan::black_box(&scene.step_bytes),
                epoch,
                &before,
                &after,
                work,
                |_| (),
            )
            .unwrap()
        });
    }
}

/// One version-1 lookup. akd_core gets it decoded already.
mod lookup {
    use super::*;

    #[divan::bench]
    fn akd(bencher: Bencher<'_, '_>) {
        let scene = &*SCENE;
        let (root, epoch) = (scene.after.hash(), scene.after.epoch());
        bencher
            .with_inputs(|| (scene.label.clone(), scene.lookup.clone()))
            .bench_values(|(label, proof)| {
                akd_core::verify::lookup_verify::<Akd>(&scene.key, root, epoch, label, proof).unwrap()
            });
    }

    #[divan::bench]
    fn keyglass(bencher: Bencher<'_, '_>) {
        let scene = &*SCENE;
        let (root, vrf) = (
            RootHash::new(scene.after.hash()),
            VrfPublicKey::parse(&scene.key).unwrap(),
        );
        let head = TreeHead {
            epoch: Epoch::new(scene.after.epoch()),
            root: &root,
            vrf: &vrf,
        };
        bencher.bench(|| {
            verify_lookup(&head, &scene.label.0, divan::black_box(&scene.lookup_bytes), &[]).unwrap()
        });
    }
}

/// One VRF proof, with the leaf label that it names.
mod vrf {
    use super::*;

    #[divan::bench]
    fn akd(bencher: Bencher<'_, '_>) {
        let scene = &*SCENE;
        let key = VRFPublicKey::try_from(scene.key.as_slice()).unwrap();
        bencher.bench(|| {
            let input = Akd::get_hash_from_label_input(&scene.label, VersionFreshness::Fresh, 1);
            let proof = Proof::try_from(divan::black_box(&scene.lookup.existence_vrf_proof[..])).unwrap();
            key.verify(&proof, &input).unwrap();
            Output::from(&proof)
        });
    }

    #[divan::bench]
    fn keyglass(bencher: Bencher<'_, '_>) {
        let scene = &*SCENE;
        let key = VrfPublicKey::parse(&scene.key).unwrap();
        bencher.bench(|| {
            let proof = divan::black_box(&scene.lookup.existence_vrf_proof);
            verify_vrf(&key, &scene.label.0, Freshness::Fresh, KeyVersion::FIRST, proof).unwrap()
        });
    }
}
