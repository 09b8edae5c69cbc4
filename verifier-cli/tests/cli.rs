//! The program as a black box: what people see, and the exit codes that scripts rely on.

#[test]
fn golden_outputs() {
    let home = tempfile::tempdir().expect("a directory for the memory");
    let home = home.path().join("home");
    trycmd::TestCases::new()
        .env("KEYGLASS_HOME", home.to_string_lossy())
        .env("NO_COLOR", "1")
        .case("tests/cmd/*.trycmd");
}
