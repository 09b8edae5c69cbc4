//! The table as it is printed.

use crate::{Options, Report};

/// What a row is meant to reach.
#[derive(Clone, Copy)]
enum Aim {
    /// At most this times what akd needs, or at most this where akd has no such thing.
    AtMost(f64),
    /// Nothing is asked.
    Any,
}

/// A row: its name, what it is counted in, how many seconds make one unit, ours, akd's, the aim.
type Row = (
    &'static str,
    &'static str,
    f64,
    fn(&Report) -> f64,
    Option<fn(&Report) -> f64>,
    Aim,
);

/// Accounts of the directory that the aims are meant for.
const AIMED_AT: u32 = 1_000_000;

const ROWS: &[Row] = &[
    (
        "publish, new accounts, wall",
        "ms",
        1e3,
        |r| r.publish_new.wall,
        Some(|r| r.publish_new.wall),
        Aim::AtMost(1.0),
    ),
    (
        "publish, new accounts, CPU",
        "ms",
        1e3,
        |r| r.publish_new.cpu,
        Some(|r| r.publish_new.cpu),
        Aim::AtMost(1.0),
    ),
    (
        "publish, updates, wall",
        "ms",
        1e3,
        |r| r.publish_updates.wall,
        Some(|r| r.publish_updates.wall),
        Aim::AtMost(1.0),
    ),
    (
        "publish, updates, CPU",
        "ms",
        1e3,
        |r| r.publish_updates.cpu,
        Some(|r| r.publish_updates.cpu),
        Aim::AtMost(1.0),
    ),
    (
        "lookup kernel, never seen, CPU",
        "us",
        1e6,
        |r| r.lookup.cpu,
        Some(|r| r.lookup.cpu),
        Aim::AtMost(1.0 / 4.0),
    ),
    (
        "lookup kernel, seen before, CPU",
        "us",
        1e6,
        |r| r.lookup_again.cpu,
        Some(|r| r.lookup.cpu),
        Aim::AtMost(1.0 / 30.0),
    ),
    (
        "complete history, warm, CPU",
        "ms",
        1e3,
        |r| r.history.cpu,
        Some(|r| r.history.cpu),
        Aim::AtMost(1.0 / 10.0),
    ),
    (
        "make the audit proof, CPU",
        "ms",
        1e3,
        |r| r.audit_make.cpu,
        Some(|r| r.audit_make.cpu),
        Aim::AtMost(1.0 / 2.0),
    ),
    (
        "verify the audit proof, CPU",
        "ms",
        1e3,
        |r| r.audit_verify.cpu,
        Some(|r| r.audit_verify.cpu),
        Aim::AtMost(1.0 / 12.0),
    ),
    (
        "verify a lookup, CPU",
        "us",
        1e6,
        |r| r.lookup_verify.cpu,
        Some(|r| r.lookup_verify.cpu),
        Aim::AtMost(0.45),
    ),
    (
        "lookup proof, mean",
        "bytes",
        1.0,
        |r| r.lookup_proof_bytes,
        Some(|r| r.lookup_proof_bytes),
        Aim::Any,
    ),
    (
        "audit proof",
        "bytes",
        1.0,
        |r| r.audit_proof_bytes,
        Some(|r| r.audit_proof_bytes),
        Aim::Any,
    ),
    (
        "fill, everything up to the flip, wall per account",
        "us",
        1e6,
        |r| r.fill.wall,
        None,
        Aim::Any,
    ),
];

const SERVED: &[Row] = &[
    (
        "lookup over HTTP, never seen, CPU",
        "us",
        1e6,
        |r| r.served.lookup.cpu,
        Some(|r| r.lookup.cpu),
        Aim::AtMost(1.0 / 3.0),
    ),
    (
        "lookup over HTTP, seen before, CPU",
        "us",
        1e6,
        |r| r.served.lookup_again.cpu,
        Some(|r| r.lookup.cpu),
        Aim::AtMost(1.0 / 12.0),
    ),
    (
        "lookup over HTTP, same again, CPU",
        "us",
        1e6,
        |r| r.served.same.cpu,
        None,
        Aim::Any,
    ),
    (
        "configuration document over HTTP, CPU",
        "us",
        1e6,
        |r| r.served.static_body.cpu,
        None,
        Aim::Any,
    ),
    (
        "body of a lookup in protobuf, nobody cosigning, mean, beside akd's proof",
        "bytes",
        1.0,
        |r| r.served.compact,
        Some(|r| r.lookup_proof_bytes),
        Aim::AtMost(1.0),
    ),
    (
        "body of a lookup in JSON",
        "bytes",
        1.0,
        |r| r.served.body,
        None,
        Aim::Any,
    ),
    (
        "start to the first answer, wall",
        "s",
        1.0,
        |r| r.served.ready,
        None,
        Aim::AtMost(15.0),
    ),
    (
        "resident memory",
        "MiB",
        1.0,
        |r| r.served.resident,
        None,
        Aim::AtMost(512.0),
    ),
    (
        "resident memory, peak",
        "MiB",
        1.0,
        |r| r.served.resident_peak,
        None,
        Aim::Any,
    ),
];

const OPEN_LOOP: &[Row] = &[
    (
        "lookups a second at the knee, clients included",
        "a second",
        1.0,
        |r| r.open_loop.knee,
        None,
        Aim::Any,
    ),
    (
        "99th of 100 lookups at 70 % of it, nothing else to do",
        "ms",
        1e3,
        |r| r.open_loop.idle,
        None,
        Aim::AtMost(10.0),
    ),
    (
        "the same during a publish of new accounts",
        "ms",
        1e3,
        |r| r.open_loop.publishing,
        None,
        Aim::AtMost(20.0),
    ),
    (
        "that publish, up to the flip, wall",
        "s",
        1.0,
        |r| r.open_loop.publish,
        None,
        Aim::Any,
    ),
];

/// Prints medians, their ratio, and whether it reaches what it should.
pub(crate) fn print(o: &Options, ours: &[Report], plain: &[Report]) {
    let database = if o.database.is_some() {
        "Postgres"
    } else {
        "SQLite"
    };
    println!(
        "{} accounts, batches of {}, values of {} bytes, histories of {} versions, median of {} rounds; \
         keyglass on {database}, akd in memory\n",
        o.accounts, o.batch, o.value_bytes, o.versions, o.rounds
    );
    if o.accounts < AIMED_AT {
        println!(
            "The aims are those of {AIMED_AT} accounts and batches of 10000: a small directory may miss some of them.\n"
        );
    }
    println!("| what | keyglass | plain akd | keyglass / akd | aim | |");
    println!("|---|---|---|---|---|---|");
    let served = if o.no_server { &[] } else { SERVED };
    let open_loop = if o.open_loop { OPEN_LOOP } else { &[] };
    for row in ROWS.iter().chain(served).chain(open_loop) {
        print_row(row, ours, plain);
    }
    if o.database.is_none() {
        let bytes = median(ours, |r| r.disk_per_account);
        let aim = 400.0 + f64::from(o.value_bytes);
        println!(
            "| disk per account, updates included | {bytes:.0} bytes | | | ≤ {aim:.0} | {} |",
            verdict(bytes, aim)
        );
    }
    if !o.no_server {
        let ratio = median(ours, |r| r.served.static_body.cpu) / median(ours, |r| r.served.same.cpu);
        println!(
            "| rate of the same lookup / rate of the configuration document | {ratio:.2} | | | ≥ 0.50 | {} |",
            verdict(0.5, ratio)
        );
    }
}

fn print_row((name, unit, scale, mine, theirs, aim): &Row, ours: &[Report], plain: &[Report]) {
    let a = median(ours, mine) * scale;
    if a.is_nan() {
        println!("| {name} | not measured | | | | |");
        return;
    }
    let b = theirs.map(|theirs| median(plain, theirs) * scale);
    let measured = b.map_or(a, |b| a / b);
    let (akd, ratio) = b.map_or((String::new(), String::new()), |b| {
        (format!("{b:.1} {unit}"), format!("{measured:.3}"))
    });
    let (aim, verdict) = match aim {
        Aim::AtMost(most) => (format!("≤ {most:.3}"), verdict(measured, *most)),
        Aim::Any => (String::new(), ""),
    };
    println!("| {name} | {a:.1} {unit} | {akd} | {ratio} | {aim} | {verdict} |");
}

fn verdict(measured: f64, most: f64) -> &'static str {
    if measured <= most { "met" } else { "missed" }
}

fn median(reports: &[Report], get: impl Fn(&Report) -> f64) -> f64 {
    let mut values: Vec<f64> = reports.iter().map(get).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
