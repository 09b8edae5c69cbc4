//! What the texts of settings mean.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use keyglass_monitoring::LogFormat;
use keyglass_schema::{DatabaseUrl, PageCache};

use super::{
    AfterTimeout, MIN_BURST, Memory, PhoneLookups, Promotions, QuorumSetting, RateLimit, SettingsError,
};

pub(super) fn value(name: &'static str, why: String) -> SettingsError {
    SettingsError::Value { name, why }
}

pub(super) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

pub(super) fn database(url: Option<&str>, data_dir: &Path) -> Result<DatabaseUrl, SettingsError> {
    let Some(url) = url else {
        return Ok(DatabaseUrl::sqlite(&data_dir.join("keyglass.sqlite")));
    };
    // The value may hold a password: it is not repeated in the message.
    url.parse()
        .map_err(|_| value("database", "must be sqlite://PATH or postgres://…".to_owned()))
}

pub(super) fn sqlite_cache(size: Option<Memory>) -> Result<PageCache, SettingsError> {
    match size {
        None => Ok(PageCache::default()),
        Some(size) if size.get() < Memory::mib(1).get() => {
            Err(value("sqlite_cache", "must be at least 1MiB".to_owned()))
        }
        Some(size) => Ok(PageCache::new(size.get())),
    }
}

/// A guard in Postgres.
pub(super) fn guard_database(text: Option<&str>) -> Result<Option<DatabaseUrl>, SettingsError> {
    match text.filter(|text| text.contains("://")) {
        None => Ok(None),
        // The value may hold a password: it is not repeated in the message.
        Some(url) => match url.parse() {
            Ok(url @ DatabaseUrl::Postgres(_)) => Ok(Some(url)),
            _ => Err(value("guard", "must be a path or postgres://…".to_owned())),
        },
    }
}

pub(super) fn guard(text: Option<String>, data_dir: &Path) -> PathBuf {
    match text {
        Some(path) if !path.contains("://") => PathBuf::from(path),
        _ => data_dir.join("guard"),
    }
}

pub(super) fn quorum(text: Option<String>) -> QuorumSetting {
    match text {
        None => QuorumSetting::Majority,
        Some(text) => match text.parse() {
            Ok(count) => QuorumSetting::Count(count),
            Err(_) => QuorumSetting::Policy(PathBuf::from(text)),
        },
    }
}

pub(super) fn after_timeout(text: Option<&str>) -> Result<AfterTimeout, SettingsError> {
    match text {
        None | Some("hold") => Ok(AfterTimeout::Hold),
        Some("proceed") => Ok(AfterTimeout::Proceed),
        Some(_) => Err(value(
            "after_quorum_timeout",
            "must be hold or proceed".to_owned(),
        )),
    }
}

pub(super) fn promotions(text: Option<&str>) -> Result<Promotions, SettingsError> {
    match text {
        None | Some("named") => Ok(Promotions::Named),
        Some("most-advanced") => Ok(Promotions::MostAdvanced),
        Some(_) => Err(value("promotions", "must be named or most-advanced".to_owned())),
    }
}

pub(super) fn phone_lookups(text: Option<&str>) -> Result<PhoneLookups, SettingsError> {
    match text {
        None | Some("token") => Ok(PhoneLookups::Token),
        Some("open") => Ok(PhoneLookups::Open),
        Some(_) => Err(value("phone_lookups", "must be token or open".to_owned())),
    }
}

pub(super) fn trusted_proxies(texts: Vec<String>) -> Result<Vec<IpNet>, SettingsError> {
    let read = |text: String| {
        text.parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| value("trusted_proxy", format!("{text:?} is no network like 10.0.0.0/8")))
    };
    texts.into_iter().map(read).collect()
}

pub(super) fn rate_limit(
    per_second: Option<u32>,
    burst: Option<u32>,
) -> Result<Option<RateLimit>, SettingsError> {
    let Some(per_second) = NonZeroU32::new(per_second.unwrap_or(100)) else {
        return Ok(None);
    };
    // A request that costs more than can ever be saved up could never be made.
    let burst =
        NonZeroU32::new(burst.unwrap_or(1_000)).filter(|b| (MIN_BURST..=1_000_000).contains(&b.get()));
    let burst = burst.ok_or_else(|| value("rate_burst", format!("must be {MIN_BURST} to 1000000")))?;
    if per_second.get() > 1_000_000 {
        return Err(value("rate_limit", "must be at most 1000000".to_owned()));
    }
    Ok(Some(RateLimit { per_second, burst }))
}

pub(super) fn log_format(text: Option<&str>) -> Result<LogFormat, SettingsError> {
    text.map_or(Ok(LogFormat::Plain), |t| {
        t.parse()
            .map_err(|_| value("log_format", "must be plain or json".to_owned()))
    })
}
