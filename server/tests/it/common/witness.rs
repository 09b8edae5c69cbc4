//! A cosigner as the specification describes one (tlog-witness), that can be told to fail.

use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use ed25519_dalek::SigningKey;
use keyglass_protocol::log::verify_consistency;
use keyglass_protocol::note::{AddCheckpoint, SignedCheckpoint, VerifierKey, cosign};
use keyglass_protocol::quantity::{LogHash, LogSize, Seconds};

/// How a witness behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Good,
    /// Answers 500.
    Broken,
    /// Cosigns something else.
    Lies,
    /// Says nothing, ever.
    Silent,
}

pub struct Witness {
    pub key: SigningKey,
    pub vkey: VerifierKey,
    pub url: String,
    pub state: Arc<Mutex<WitnessState>>,
}

pub struct WitnessState {
    pub mood: Mood,
    pub log: Option<VerifierKey>,
    pub seen: Option<(LogSize, LogHash, Vec<u8>)>,
    pub time: Seconds,
    pub requests: usize,
}

impl Witness {
    /// A witness on a free port.
    pub fn start(name: &str, seed: u8, time: Seconds) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let vkey = VerifierKey::new_cosignature(name, key.verifying_key().as_bytes()).unwrap();
        let state = WitnessState {
            mood: Mood::Good,
            log: None,
            seen: None,
            time,
            requests: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let (shared, signing) = (Arc::clone(&state), (name.to_owned(), key.clone()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = HttpServer::new(move || {
            let (shared, signing) = (Arc::clone(&shared), signing.clone());
            let head = Arc::clone(&shared);
            App::new()
                .route(
                    "/add-checkpoint",
                    web::post().to(move |body: web::Bytes| {
                        let answer = add_checkpoint(&shared, &signing, &body);
                        async move {
                            match answer {
                                Some(answer) => answer,
                                None => std::future::pending().await,
                            }
                        }
                    }),
                )
                .route(
                    "/{name}/checkpoint",
                    web::get().to(move |_: HttpRequest| {
                        let seen = head.lock().unwrap().seen.clone();
                        async move {
                            match seen {
                                Some((_, _, note)) => HttpResponse::Ok().body(note),
                                None => HttpResponse::NotFound().finish(),
                            }
                        }
                    }),
                )
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        drop(tokio::spawn(server));
        Self {
            key,
            vkey,
            url,
            state,
        }
    }

    /// The setting that makes a server ask it.
    pub fn setting(&self) -> String {
        format!("{} {}", self.vkey, self.url)
    }

    pub fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    pub fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }
}

fn add_checkpoint(
    state: &Mutex<WitnessState>,
    (name, key): &(String, SigningKey),
    body: &[u8],
) -> Option<HttpResponse> {
    let mut state = state.lock().unwrap();
    state.requests += 1;
    match state.mood {
        Mood::Silent => return None,
        Mood::Broken => return Some(HttpResponse::InternalServerError().finish()),
        Mood::Good | Mood::Lies => {}
    }
    let request = AddCheckpoint::parse(body).unwrap();
    let signed = SignedCheckpoint::open(&request.checkpoint, state.log.as_ref().unwrap()).unwrap();
    let offered = signed.checkpoint();
    let (size, root) = state
        .seen
        .as_ref()
        .map_or((LogSize::ZERO, offered.root), |(size, root, _)| (*size, *root));
    if request.old != size {
        let conflict = HttpResponse::Conflict()
            .content_type("text/x.tlog.size")
            .body(format!("{size}\n"));
        return Some(conflict);
    }
    if size != LogSize::ZERO {
        verify_consistency(size, &root, offered.size, &offered.root, &request.proof).unwrap();
    }
    state.seen = Some((offered.size, offered.root, request.checkpoint.clone()));
    let text = match state.mood {
        Mood::Lies => "another\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".to_owned(),
        _ => offered.to_text(),
    };
    let line = cosign(name, key, &text, state.time).to_line();
    Some(HttpResponse::Ok().body(format!("{line}\n")))
}
