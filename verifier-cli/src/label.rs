//! Labels as people write them.

use keyglass_protocol::label::{Handle, Label, LabelError, Phone};

use crate::output::foreign;
use crate::report::Failure;

/// `@alice`, `+14155550100`, or a label with its kind such as `account:123`.
pub(crate) fn parse(text: &str) -> Result<Label, Failure> {
    let label = if let Some(handle) = text.strip_prefix('@') {
        Handle::parse(handle).map(Label::Handle)
    } else if text.starts_with('+') {
        Phone::parse(text).map(Label::Phone)
    } else {
        Label::parse(text)
    };
    label.map_err(|e| refuse(text, e))
}

/// A handle, with or without `@` or its kind.
pub(crate) fn parse_handle(text: &str) -> Result<Label, Failure> {
    let name = text
        .strip_prefix('@')
        .or_else(|| text.strip_prefix("handle:"))
        .unwrap_or(text);
    Handle::parse(name)
        .map(Label::Handle)
        .map_err(|e| refuse(text, e))
}

/// As people write it: `@alice`, `+14155550100`, `account:123`.
pub(crate) fn show(label: &Label) -> String {
    match label {
        Label::Account(_) => label.as_str().to_owned(),
        Label::Handle(handle) => format!("@{handle}"),
        Label::Phone(phone) => phone.to_string(),
    }
}

/// Path of the label's routes below `/v1`.
pub(crate) fn path(label: &Label) -> String {
    let kind = match label {
        Label::Account(_) => "accounts",
        Label::Handle(_) => "handles",
        Label::Phone(_) => "phones",
    };
    format!("/v1/{kind}/{}", crate::http::segment(label.name()))
}

fn refuse(text: &str, error: LabelError) -> Failure {
    Failure::malformed(
        error.reason(),
        format!("{:?} is no label: {error}", foreign(text)),
    )
    .next("write @handle, account:ID or +number, exactly as it is published")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn what_people_write() {
        for (text, label, shown, path_) in [
            ("@alice", "handle:alice", "@alice", "/v1/handles/alice"),
            ("handle:alice", "handle:alice", "@alice", "/v1/handles/alice"),
            (
                "+14155550100",
                "phone:+14155550100",
                "+14155550100",
                "/v1/phones/%2B14155550100",
            ),
            (
                "account:a\\b",
                "account:a\\b",
                "account:a\\b",
                "/v1/accounts/a%5Cb",
            ),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(parsed.as_str(), label);
            assert_eq!(show(&parsed), shown);
            assert_eq!(path(&parsed), path_);
        }
        assert_eq!(parse_handle("alice").unwrap(), parse("@alice").unwrap());
    }

    #[test]
    fn nothing_is_normalised() {
        for (text, reason) in [
            ("@Alice", "handle-not-canonical"),
            ("@", "label-empty"),
            ("alice", "label-unknown-kind"),
            ("account:a/b", "account-character"),
            ("+0123", "phone-leading-zero"),
        ] {
            let failure = parse(text).unwrap_err();
            assert_eq!(
                (failure.exit, failure.reason),
                (Exit::Malformed, reason),
                "{text}"
            );
        }
    }
}
