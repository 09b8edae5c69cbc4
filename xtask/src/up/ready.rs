//! Waiting until a program can do its job.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::child::Child;

/// How long a program may take to become ready.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Polls `/readyz` until it answers 200.
pub(super) fn wait(address: &str, child: &mut Child, stop: &AtomicBool) -> Result<()> {
    let until = Instant::now() + LIMIT;
    let mut last = String::new();
    while Instant::now() < until {
        if stop.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        child.must_run()?;
        match get(address) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") => return Ok(()),
            Ok(answer) => last = answer,
            Err(error) => last = error.to_string(),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!(
        "http://{address}/readyz is not ready after {} s: {last}{}",
        LIMIT.as_secs(),
        child.last_words()
    )
}

fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
