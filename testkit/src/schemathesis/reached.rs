//! What is documented, and what of it was answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use serde_json::Value;

/// Which statuses each operation documents, by its id.
pub(super) struct Description(BTreeMap<String, BTreeSet<u16>>);

/// Which statuses were answered, by operation, and in how many answers.
#[derive(Debug, Default)]
pub(super) struct Reached {
    statuses: BTreeMap<String, BTreeSet<u16>>,
    answers: usize,
}

impl Description {
    /// Reads `/v1/openapi.json`.
    pub(super) fn parse(document: &[u8]) -> Result<Self> {
        let document: Value = serde_json::from_slice(document)?;
        let paths = document["paths"].as_object().into_iter().flatten();
        let mut operations = BTreeMap::new();
        for operation in paths.flat_map(|(_, methods)| methods.as_object().into_iter().flatten()) {
            let id = operation.1["operationId"].as_str().unwrap_or_default();
            let statuses = operation.1["responses"].as_object().into_iter().flatten();
            let statuses = statuses
                .map(|(status, _)| status.parse())
                .collect::<Result<_, _>>()?;
            operations.insert(id.to_owned(), statuses);
        }
        ensure!(!operations.is_empty(), "the description has no operations");
        Ok(Self(operations))
    }

    /// Every operation.
    pub(super) fn operations(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The operations that document a status.
    pub(super) fn operations_that_answer(&self, status: u16) -> Vec<String> {
        let all = self.0.iter().filter(|(_, statuses)| statuses.contains(&status));
        all.map(|(id, _)| id.clone()).collect()
    }

    /// What is documented and was not answered.
    pub(super) fn missing(&self, reached: &Reached) -> Vec<String> {
        let all = self
            .0
            .iter()
            .flat_map(|(id, statuses)| statuses.iter().map(move |s| (id, s)));
        all.filter(|(id, status)| !reached.has(id, **status))
            .map(|(id, status)| format!("{id} {status}"))
            .collect()
    }

    /// A line for each operation, and one for all.
    pub(super) fn table(&self, reached: &Reached) -> String {
        let mut table = String::new();
        let (mut hit, mut documented) = (0, 0);
        for (id, statuses) in &self.0 {
            let found: Vec<u16> = statuses.iter().copied().filter(|s| reached.has(id, *s)).collect();
            (hit, documented) = (hit + found.len(), documented + statuses.len());
            let _infallible = writeln!(table, "{id}: {} of {}: {found:?}", found.len(), statuses.len());
        }
        let (operations, answers) = (self.0.len(), reached.answers);
        let _infallible = writeln!(
            table,
            "{operations} operations, {hit} of {documented} documented answers, {answers} answers"
        );
        table
    }
}

impl Reached {
    /// Reads what the tester's hook noted: one line for each answer.
    pub(super) fn parse(lines: &str) -> Result<Self> {
        let mut this = Self::default();
        for line in lines.lines() {
            let (operation, status): (String, u16) = serde_json::from_str(line)?;
            this.statuses.entry(operation).or_default().insert(status);
            this.answers += 1;
        }
        Ok(this)
    }

    /// Adds what another pass reached.
    pub(super) fn add(&mut self, other: Self) {
        for (operation, statuses) in other.statuses {
            self.statuses.entry(operation).or_default().extend(statuses);
        }
        self.answers += other.answers;
    }

    fn has(&self, operation: &str, status: u16) -> bool {
        self.statuses.get(operation).is_some_and(|s| s.contains(&status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_answered_is_missing() {
        let document = br#"{"paths": {
            "/a": {"get": {"operationId": "a", "responses": {"200": {}, "404": {}}}},
            "/b": {"put": {"operationId": "b", "responses": {"202": {}, "503": {}}}}
        }}"#;
        let description = Description::parse(document).unwrap();
        let mut reached = Reached::parse("[\"a\", 200]\n[\"b\", 202]\n[\"b\", 418]\n").unwrap();
        assert_eq!(description.missing(&reached), ["a 404", "b 503"]);
        reached.add(Reached::parse("[\"a\", 404]\n").unwrap());
        assert_eq!(description.missing(&reached), ["b 503"]);
        assert_eq!(description.operations_that_answer(503), ["b"]);
        assert!(
            description
                .table(&reached)
                .ends_with("2 operations, 3 of 4 documented answers, 4 answers\n")
        );
    }
}
