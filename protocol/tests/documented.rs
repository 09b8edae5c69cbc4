//! What the code promises stands in the documentation.
#![allow(clippy::unwrap_used, reason = "tests")]

use keyglass_protocol::problem::Problem;

#[test]
fn every_problem_type_is_in_the_api_documentation() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md")).unwrap();
    for problem in Problem::ALL {
        let row = format!("| {} | `{}` | ", problem.status(), problem.code());
        assert!(
            page.contains(&row),
            "docs/api.md has no row that starts with {row:?}"
        );
    }
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| 4") || line.starts_with("| 5"))
        .count();
    assert_eq!(
        rows,
        Problem::ALL.len(),
        "docs/api.md lists a problem that does not exist"
    );
}
