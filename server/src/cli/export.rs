//! `export-final`.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use keyglass_server::bootstrap;
use keyglass_server::export::{self, Exported};
use keyglass_server::keys;
use keyglass_server::settings::Settings;

use super::{Failure, print};

pub(super) fn run(settings: &Settings, file: &Path, import_key: &Path) -> Result<(), Failure> {
    let own = bootstrap::existing_keys(settings).map_err(|e| Failure::refused(e.reason(), &e))?;
    let store = bootstrap::open_store(settings, &own).map_err(|e| Failure::refused("store", &e))?;
    let refused = |e: export::ExportError| Failure::refused(e.reason(), &e);
    let (_, next) = export::successor(&store).map_err(refused)?;
    let key =
        keys::import_key(import_key, next.origin.as_str()).map_err(|e| Failure::refused(e.reason(), &e))?;
    let io = |e: std::io::Error| Failure::refused("export-io", &format!("{}: {e}", file.display()));
    // What is there already may be an export that is being imported.
    let mut out = BufWriter::new(File::create_new(file).map_err(io)?);
    let written = export::write(&store, &key, &mut out).map_err(refused);
    let Exported {
        accounts,
        aliases,
        ended,
    } = written.inspect_err(|_| drop(std::fs::remove_file(file)))?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(io)?;
    print(&format!(
        "accounts {accounts}\naliases {aliases}\nended {ended}\nfor {}\n",
        next.origin
    ));
    Ok(())
}
