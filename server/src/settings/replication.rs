//! More than one process: what this one is, and how replicas and sequencers find each other.

use std::path::PathBuf;
use std::time::Duration;

use super::{Layer, SettingsError, value};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Publishes, takes updates and answers.
    Sequencer,
    /// Answers, from a copy of the database that it cannot write.
    Replica,
}

/// How replicas and sequencers find each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationSettings {
    /// Name of this replica, another one for each.
    pub name: Option<String>,
    /// Admin addresses of all sequencers, to which a replica acknowledges, without a `/` at the end.
    pub sequencers: Vec<String>,
    /// Where a replica passes updates on to, each in turn until one takes them.
    pub updates_to: Vec<String>,
    /// Where audit proofs are fetched from that are not here.
    pub artefacts_from: Vec<String>,
    /// The file of the secret that replicas and sequencers share.
    pub token: Option<PathBuf>,
    /// How often a replica looks whether readers may move.
    pub poll: Duration,
}

impl Role {
    pub(super) fn resolve(text: Option<&str>) -> Result<Self, SettingsError> {
        match text {
            None | Some("all" | "sequencer") => Ok(Self::Sequencer),
            Some("replica") => Ok(Self::Replica),
            Some(_) => Err(value("role", "must be all, sequencer or replica".to_owned())),
        }
    }
}

impl ReplicationSettings {
    pub(super) fn resolve(given: &Layer, role: Role) -> Result<Self, SettingsError> {
        let settings = Self {
            name: given.replica_name.clone(),
            sequencers: addresses("sequencer", given.sequencer.as_deref())?,
            updates_to: addresses("updates_to", given.updates_to.as_deref())?,
            artefacts_from: addresses("artefacts_from", given.artefacts_from.as_deref())?,
            token: given.replica_token.clone(),
            poll: given.head_poll.map_or(Duration::from_millis(200), |p| p.0),
        };
        if settings.poll.is_zero() || settings.poll > Duration::from_secs(5) {
            return Err(value(
                "head_poll",
                "must be more than 0s and at most 5s".to_owned(),
            ));
        }
        if role == Role::Sequencer {
            return Ok(settings);
        }
        if settings.sequencers.is_empty() {
            return Err(value(
                "sequencer",
                "a replica needs the admin address of every sequencer".to_owned(),
            ));
        }
        if settings.token.is_none() {
            return Err(value(
                "replica_token",
                "a replica needs the secret that it shares with the sequencers".to_owned(),
            ));
        }
        Ok(settings)
    }
}

fn addresses(name: &'static str, given: Option<&[String]>) -> Result<Vec<String>, SettingsError> {
    let read = |text: &String| {
        if text.starts_with("http://") || text.starts_with("https://") {
            Ok(text.trim_end_matches('/').to_owned())
        } else {
            Err(value(
                name,
                format!("{text:?} must begin with http:// or https://"),
            ))
        }
    };
    given.unwrap_or_default().iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_replica_has_to_know_its_sequencers() {
        let whole = Layer {
            sequencer: Some(vec!["http://a:8601/".to_owned()]),
            replica_token: Some("token".into()),
            ..Layer::default()
        };
        let settings = ReplicationSettings::resolve(&whole, Role::Replica).unwrap();
        assert_eq!(settings.sequencers, ["http://a:8601"]);
        assert_eq!(settings.poll, Duration::from_millis(200));
        for (name, layer) in [
            (
                "sequencer",
                Layer {
                    sequencer: None,
                    ..whole.clone()
                },
            ),
            (
                "sequencer",
                Layer {
                    sequencer: Some(vec!["a:8601".to_owned()]),
                    ..whole.clone()
                },
            ),
            (
                "replica_token",
                Layer {
                    replica_token: None,
                    ..whole.clone()
                },
            ),
            (
                "head_poll",
                Layer {
                    head_poll: Some("6s".parse().unwrap()),
                    ..whole.clone()
                },
            ),
        ] {
            match ReplicationSettings::resolve(&layer, Role::Replica) {
                Err(SettingsError::Value { name: found, .. }) => assert_eq!(found, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(ReplicationSettings::resolve(&Layer::default(), Role::Sequencer).is_ok());
    }
}
