//! The folder of artefacts is what the API serves, byte for byte, so that a CDN can stand in for it.

use std::path::{Path, PathBuf};

use keyglass_schema::test_database::Backend;
use keyglass_testkit::world::Person;

use crate::common::{Place, Site, run};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_file_is_what_its_url_answers() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        for seed in 1..=3 {
            let person = Person::new(&format!("person{seed}"), seed);
            site.accept(&person.label(), person.newest.bytes()).await;
            site.advance().await.unwrap();
            place.tick();
        }
        place.clock.advance(61_000);
        site.refresh().await.unwrap();
        let folder = place.settings().artefacts_dir;
        let mut found = Vec::new();
        files(&folder, &mut found);
        // 3 audit proofs, 4 widths of entries and of hashes, one document, the checkpoint.
        assert_eq!(found.len(), 13, "{found:?}");
        for path in found {
            let url = format!("/{}", path.strip_prefix(&folder).unwrap().display());
            let (status, body) = site.get(&url).await;
            assert_eq!((status, body), (200, std::fs::read(&path).unwrap()), "{url}");
        }
        site.close().await;
    });
}

#[test]
fn a_new_folder_gets_what_is_missing_of_the_log() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let person = Person::new("alice", 1);
        site.accept(&person.label(), person.newest.bytes()).await;
        site.advance().await.unwrap();
        site.close().await;
        let folder = place.settings().artefacts_dir;
        std::fs::remove_dir_all(folder.join("log/tile")).unwrap();
        std::fs::remove_dir_all(folder.join("v1")).unwrap();
        std::fs::remove_file(folder.join("log/checkpoint")).unwrap();
        let mut site = Site::open(&place).await;
        site.advance().await.unwrap();
        for name in ["log/tile/0/000.p/2", "log/tile/entries/000.p/2", "log/checkpoint"] {
            let (status, body) = site.get(&format!("/{name}")).await;
            assert_eq!(
                (status, body),
                (200, std::fs::read(folder.join(name)).unwrap()),
                "{name}"
            );
        }
        let document = folder
            .join("v1/config")
            .join(site.service.config.hash().to_string());
        assert!(document.is_file());
        site.close().await;
    });
}
