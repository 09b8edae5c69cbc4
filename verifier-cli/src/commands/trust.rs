//! `trust`: what everything else is verified against.

use std::path::Path;

use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{SignedEpoch, Trust};
use keyglass_protocol::note::{MAX_POLICY_BYTES, Policy, VerifierKey};
use keyglass_protocol::quantity::ConfigHash;
use serde_json::json;

use super::checkpoint;
use crate::args;
use crate::clock;
use crate::configs;
use crate::context::{Context, Memory};
use crate::desk::{self, PolicyIs, Unusual};
use crate::exit::Exit;
use crate::http::{Http, parse_base};
use crate::log_reader::Tiles;
use crate::migration::{self, Link};
use crate::report::{Failure, Outcome, Report};
use crate::saved::read_capped;
use crate::session::{Session, Trouble};
use crate::source::Online;
use crate::state::{Directory, Home, State};

/// `keyglass trust …`.
pub(super) fn run(context: &Context, args: &args::Trust) -> Outcome {
    match args {
        args::Trust::Add {
            url,
            log_vkey,
            config_sha256,
            policy,
        } => {
            let pins = Given::read(log_vkey.as_deref(), config_sha256.as_deref(), policy.as_deref())?;
            add(context, url, pins)
        }
        args::Trust::Show => show(context),
        args::Trust::Update { policy } => update(context, policy.as_deref()),
    }
}

/// What the user gave to pin.
struct Given {
    log_key: Option<VerifierKey>,
    config: Option<ConfigHash>,
    policy: Option<(String, Policy)>,
}

impl Given {
    fn read(log_vkey: Option<&str>, config: Option<&str>, policy: Option<&Path>) -> Result<Self, Failure> {
        let log_key = log_vkey.map(str::parse::<VerifierKey>).transpose();
        let config = config.map(str::parse::<ConfigHash>).transpose();
        Ok(Self {
            log_key: log_key.map_err(|e| Failure::malformed(e.reason(), format!("--log-vkey: {e}")))?,
            config: config.map_err(|e| Failure::malformed(e.reason(), format!("--config-sha256: {e}")))?,
            policy: policy.map(read_policy).transpose()?,
        })
    }
}

fn read_policy(path: &Path) -> Result<(String, Policy), Failure> {
    let bytes = read_capped(path, MAX_POLICY_BYTES)?;
    let bad = |reason, why: String| {
        Failure::malformed(reason, format!("{} is no tlog-policy: {why}", path.display()))
    };
    let text = String::from_utf8(bytes).map_err(|_| bad("not-utf8", "not UTF-8".into()))?;
    let policy = text
        .parse::<Policy>()
        .map_err(|e| bad(e.reason(), e.to_string()))?;
    Ok((text, policy))
}

fn add(context: &Context, url: &str, given: Given) -> Outcome {
    let url = parse_base(url)?.to_string();
    let http = context.http_to(&url)?;
    let _waiting = context.style.waiting("asking the directory…");
    let mut home = context.home()?;
    let mut state = home.load()?;
    let (document, first_use) = first_document(&http, &given)?;
    let values = document.values();
    if let Some(index) = state
        .directories
        .iter()
        .position(|d| d.origin == values.origin.as_str())
    {
        return compared(context, &home, state, index, &given, &document);
    }
    let mut link = migration::link(context, &state, &document)?;
    if let Link::Claimed(_) = &link {
        let memory = see_the_end(context, Memory::of(home, state, 0), &document)?;
        (home, state) = memory.into_parts();
        link = migration::link(context, &state, &document)?;
    }
    if let (Link::Claimed(why), true) = (&link, first_use) {
        return Err(unlinked(why));
    }
    let mut directory = Directory::new(
        values.origin.to_string(),
        url.trim_end_matches('/').to_owned(),
        values.log_vkey.to_string(),
        clock::now().get(),
    );
    directory.policy = given.policy.as_ref().map(|(text, _)| text.clone());
    directory.first_use = first_use && !matches!(link, Link::Proven(_));
    if let Link::Proven(old) = &link {
        migration::carry(old, &mut directory);
    }
    let trust = first_trust(context, &http, document, given.policy.map(|(_, p)| p))?;
    configs::remember(&mut directory, trust.config());
    let report = match link {
        Link::Stranger => describe_new(&directory, &trust),
        Link::Claimed(why) => describe_new(&directory, &trust).note(format!(
            "it says that it continues a pinned log, which does not say so: {why}; nobody moved along"
        )),
        Link::Proven(old) => linked(describe_new(&directory, &trust), &old.origin),
    };
    state.directories.push(directory);
    home.save(&state)?;
    Ok(report)
}

/// Follows the pinned log that a new one says it continues: to its last leaf, and to the configuration that this names.
fn see_the_end(context: &Context, mut memory: Memory, document: &ConfigDocument) -> Result<Memory, Failure> {
    let Some(before) = &document.values().predecessor else {
        return Ok(memory);
    };
    memory.visit(before.origin.as_str(), |memory| {
        let http = context.http_to(&memory.directory()?.url)?;
        let mut source = Online::new(&http);
        let question = |s: &mut Session<'_>, _: &_| checkpoint::newest(s, &http);
        desk::ask(context, memory, &mut source, PolicyIs::Demanded, None, question).map(drop)
    })?;
    memory.save()?;
    Ok(memory)
}

/// It says that it continues a pinned log, and that log does not say so.
fn unlinked(why: &str) -> Failure {
    Failure::missing(
        "successor-missing",
        format!("this directory says that it continues a pinned log, which does not say so: {why}"),
    )
    .checked("the pinned log's newest head and the configuration that it names")
    .meaning("the old log has not ended yet, or somebody passes another log off as the next one")
    .next(
        "nothing was pinned; try again later, or give --log-vkey and --config-sha256 to pin it as a stranger",
    )
}

/// A pinned directory again: with its log key and a configuration of its chain, the user says that he compared them.
fn compared(
    context: &Context,
    home: &Home,
    mut state: State,
    index: usize,
    given: &Given,
    document: &ConfigDocument,
) -> Outcome {
    let again = |d: &Directory| {
        Failure::usage("already-pinned", format!("{} is pinned already", d.origin))
            .meaning("a pin is never replaced silently")
            .next("keyglass trust show; keyglass trust update --policy FILE changes the policy")
    };
    let Some(directory) = state.directories.get_mut(index) else {
        return Err(Failure::internal(
            "state-damaged",
            "the directory vanished from the memory",
        ));
    };
    let trust = crate::context::trust(directory, &context.settings)?;
    let known = trust
        .config()
        .documents()
        .iter()
        .any(|(_, d)| d.hash() == document.hash());
    let same_key = given.log_key.as_ref().is_some_and(|key| key == trust.log_key());
    if given.policy.is_some() || given.config.is_none() || !known || !same_key {
        return Err(again(directory));
    }
    directory.first_use = false;
    let report = describe_new(directory, &trust);
    home.save(&state)?;
    Ok(report)
}

/// The newest configuration, or the given one, and whether nothing vouched for it.
fn first_document(http: &Http, given: &Given) -> Result<(ConfigDocument, bool), Failure> {
    let path = given
        .config
        .map_or("/v1/config".to_owned(), |hash| format!("/v1/config/{hash}"));
    let received = http.get(&path)?;
    if received.status != 200 {
        return Err(http.unexpected(&received));
    }
    let document = ConfigDocument::parse(&received.body).map_err(|e| configs::refuse(&e))?;
    if given.config.is_some_and(|hash| hash != document.hash()) {
        return Err(mismatch(
            "config-hash",
            "the configuration is not the one with the hash that you gave",
        ));
    }
    if given
        .log_key
        .as_ref()
        .is_some_and(|key| *key != document.values().log_vkey)
    {
        return Err(mismatch(
            "config-of-other-log",
            "the directory's log key is not the one that you gave",
        ));
    }
    Ok((document, given.log_key.is_none() || given.config.is_none()))
}

fn mismatch(reason: &'static str, failed: &str) -> Failure {
    Failure::new(Exit::Invalid, reason, failed)
        .checked("the directory's keys against the ones that you gave")
        .meaning("this is another directory, or somebody in between passes his own off as it")
        .next("nothing was pinned; ask whoever gave you the keys")
}

/// Verifies a first head under the configuration, and dates every older configuration.
fn first_trust(
    context: &Context,
    http: &Http,
    document: ConfigDocument,
    policy: Option<Policy>,
) -> Result<Trust, Failure> {
    let unfit = |e: keyglass_protocol::epoch::TrustError| {
        Failure::new(Exit::Invalid, e.reason(), e.to_string())
            .checked("that the pins belong together")
            .next("nothing was pinned; check the policy file and the keys")
    };
    let mut source = Online::new(http);
    let mut documents = configs::fetch(&mut source, &document.hash(), None)?
        .ok_or_else(|| Failure::missing("config-missing", "an older configuration cannot be fetched"))?
        .into_iter();
    let first = documents.next().unwrap_or(document);
    let log_key = first.values().log_vkey.clone();
    let chain = ConfigChain::start(first).map_err(|e| configs::refuse(&e))?;
    let trust = Trust::new(log_key, chain, policy, context.settings.bounds).map_err(unfit)?;
    let rest: Vec<_> = documents.collect();
    let verified = verify_first(http, &mut source, trust, rest);
    verified.map_err(|trouble| match trouble {
        Trouble::Failed(failure) => failure,
        Trouble::Refused(refusal) => crate::advice::explain(&refusal),
    })
}

fn verify_first(
    http: &Http,
    source: &mut Online<'_>,
    trust: Trust,
    rest: Vec<ConfigDocument>,
) -> Result<Trust, Trouble> {
    let note = checkpoint::fetch(http)?;
    let size = checkpoint::size_of(&note, trust.log_key())?;
    let index = size
        .last_epoch()
        .ok_or_else(|| Failure::missing("empty-log", "the log is empty"))?;
    let proof = Tiles::new(http, size).epoch_proof(index.get())?;
    let signed = SignedEpoch::new(note.as_bytes(), &proof)?;
    let trust = if rest.is_empty() {
        trust
    } else {
        configs::append(source, &trust, rest, &signed, clock::now())?.0
    };
    let mut session = Session::new(source, trust, None, clock::now());
    // The pinned hash may be older than the newest configuration: what follows it is followed by the chain.
    session.accept_parts(&note, &proof, None)?;
    Ok(session.trust)
}

/// Trust comes from the log that was pinned before.
fn linked(mut report: Report, old: &str) -> Report {
    report.reason = "linked-migration";
    report.headline = format!("VERIFIED: this directory continues {old}, which names it as its successor");
    report
        .json("continues", old)
        .note("your contacts and accounts moved along; keyglass monitor holds every key against the one from before")
}

fn describe_new(directory: &Directory, trust: &Trust) -> Report {
    let hash = trust.document().hash();
    let needs_auditor = trust.policy().is_some_and(Policy::needs_auditor);
    let report = if directory.first_use {
        Report::new("trust-on-first-use", format!("trust-on-first-use: {} is pinned", directory.origin))
            .note("nothing vouches for these keys yet: compare log key and configuration with the operator's announcement")
    } else {
        Report::new(
            "pinned",
            format!("{} is pinned with the keys that you gave", directory.origin),
        )
    };
    let report = if needs_auditor {
        report
    } else {
        report.note(
            "no auditor is demanded: lookups will say so and exit 4; add one with keyglass trust update --policy FILE",
        )
    };
    pins(report, directory, hash, needs_auditor)
}

fn pins(report: Report, directory: &Directory, hash: ConfigHash, needs_auditor: bool) -> Report {
    let policy = match (&directory.policy, needs_auditor) {
        (None, _) => "none: nobody but the operator vouches for the log",
        (Some(_), true) => "pinned, cannot be met without an auditor",
        (Some(_), false) => "pinned, can be met WITHOUT an auditor",
    };
    report
        .line("address", directory.url.clone())
        .line("log key", directory.log_vkey.clone())
        .line("configuration", hash.to_string())
        .line("policy", policy)
        .json("origin", directory.origin.clone())
        .json("url", directory.url.clone())
        .json("log_vkey", directory.log_vkey.clone())
        .json("config_sha256", hash.to_string())
        .json("first_use", directory.first_use)
        .json("needs_auditor", needs_auditor)
}

fn show(context: &Context) -> Outcome {
    let state = context.home()?.load()?;
    let wanted = context
        .settings
        .directory
        .as_deref()
        .map(|w| w.trim_end_matches('/'));
    let mut report = None;
    let mut all = Vec::new();
    let mut others = Vec::new();
    for directory in &state.directories {
        let trust = crate::context::trust(directory, &context.settings)?;
        let hash = trust.document().hash();
        let needs_auditor = trust.policy().is_some_and(Policy::needs_auditor);
        all.push(json!({
            "origin": directory.origin, "url": directory.url, "log_vkey": directory.log_vkey,
            "config_sha256": hash.to_string(), "first_use": directory.first_use,
            "policy": directory.policy, "needs_auditor": needs_auditor,
            "log_size": directory.head.as_ref().map(|h| h.size),
        }));
        if report.is_none() && wanted.is_none_or(|w| w == directory.url) {
            let reason = if directory.first_use {
                "trust-on-first-use"
            } else {
                "pinned"
            };
            let shown = pins(
                Report::new(reason, directory.origin.clone()),
                directory,
                hash,
                needs_auditor,
            );
            report = Some(with_policy(shown, directory));
        } else {
            others.push(format!("{} at {}", directory.origin, directory.url));
        }
    }
    let report = match report {
        Some(report) => report.json("directories", all),
        None => return context.memory().map(|_| Report::new("pinned", "nothing to show")),
    };
    Ok(others
        .into_iter()
        .fold(report, |r, other| r.note(format!("also pinned: {other}"))))
}

fn with_policy(report: Report, directory: &Directory) -> Report {
    let how = if directory.first_use {
        "on first use: compare with the operator's announcement"
    } else {
        "as given"
    };
    let head = directory.head.as_ref().map_or("none yet".to_owned(), |h| {
        format!("size {}, root {}", h.size, h.root)
    });
    let mut report = report.line("trusted", how).line("newest head", head);
    if let Some(policy) = &directory.policy {
        report.body = format!("\n{policy}");
    }
    report
}

fn update(context: &Context, policy: Option<&Path>) -> Outcome {
    let policy = policy.map(read_policy).transpose()?;
    let mut memory = context.memory()?;
    if let Some((text, parsed)) = policy {
        let trust = crate::context::trust(memory.directory()?, &context.settings)?;
        // Refuses a policy for another log before it replaces the one that works.
        Trust::new(
            trust.log_key().clone(),
            trust.config().clone(),
            Some(parsed),
            context.settings.bounds,
        )
        .map_err(|e| Failure::malformed(e.reason(), e.to_string()))?;
        memory.directory_mut()?.policy = Some(text);
        if context.settings.offline {
            return finish_update(context, memory, &[]);
        }
    }
    let http = context.http(memory.directory()?)?;
    let mut source = Online::new(&http);
    let unusual = Some(Unusual {
        now: None,
        accept_new_keys: true,
    });
    let question = |s: &mut Session<'_>, _: &_| checkpoint::newest(s, &http);
    let (_, vouched) = desk::ask(
        context,
        &mut memory,
        &mut source,
        PolicyIs::Reported,
        unusual,
        question,
    )?;
    let changes: Vec<&str> = vouched.changes.iter().map(|c| c.as_str()).collect();
    let report = finish_update(context, memory, &changes)?;
    Ok(match &vouched.shortfall {
        Some(shortfall) => report.note(format!("the policy is not met now: {shortfall}")),
        None => report.audited(vouched.audited),
    })
}

fn finish_update(context: &Context, mut memory: Memory, changes: &[&str]) -> Outcome {
    memory.save()?;
    let directory = memory.directory_mut()?;
    let trust = crate::context::trust(directory, &context.settings)?;
    let needs_auditor = trust.policy().is_some_and(Policy::needs_auditor);
    let headline = if changes.is_empty() {
        format!("{}: the pins are up to date", directory.origin)
    } else {
        format!(
            "{}: accepted a new configuration: {} changed",
            directory.origin,
            changes.join(", ")
        )
    };
    let report = Report::new("updated", headline).json("changes", changes.to_vec());
    Ok(pins(report, directory, trust.document().hash(), needs_auditor))
}
