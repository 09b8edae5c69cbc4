//! Writes the golden answers and evidence files into `protocol/testdata`.

fn main() -> std::io::Result<()> {
    for vector in keyglass_testkit::vectors::all() {
        let path = keyglass_testkit::vectors::folder().join(vector.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, vector.text)?;
        println!("{}", path.display());
    }
    Ok(())
}
