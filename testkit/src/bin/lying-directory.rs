//! A directory on loopback that swaps keys when it is told to: to see what `keyglass` says then.
//!
//! `curl -X POST http://127.0.0.1:8700/swap/bob` publishes another key for bob that he did not sign;
//! `/recover/bob` one that the platform's recovery key vouches for.

#![allow(
    clippy::unwrap_used,
    reason = "a test tool: what cannot happen should stop it loudly"
)]

use std::path::PathBuf;

use clap::Parser;
use keyglass_testkit::front::Front;
use keyglass_testkit::world::{Person, World};

/// Serves a directory with bob in it, until it is stopped.
#[derive(Parser)]
struct Options {
    /// Port on loopback.
    #[arg(long, default_value_t = 8700)]
    port: u16,
    /// Where the policy is written that demands its auditor.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
}

fn main() {
    let options = Options::parse();
    let mut world = World::new(1);
    let bob = Person::new("bob", 2);
    world.publish(&[bob.entry()]);
    let handle = bob.claim("handle:bob", None);
    world.publish(&[(handle.label(), handle.bytes().to_vec())]);
    std::fs::write(&options.policy, world.policy().to_string()).unwrap();
    println!("log key        {}", world.keys.log_vkey());
    println!("configuration  {}", world.config.hash());
    let front = Front::start_at(world, options.port);
    println!("directory      {}", front.url());
    println!("swap bob's key curl -X POST {}/swap/bob", front.url());
    loop {
        std::thread::park();
    }
}
