//! Prints the table of all lies, as it stands in `docs/lies.md`.

fn main() {
    print!("{}", keyglass_testkit::lies::table());
}
