//! What each client may spend, so that one who floods takes nothing from the others.
//!
//! Every request costs 1 when it arrives; the handler charges the rest when it knows what is asked. The state of a client
//! is one number (GCRA), and there is room for a fixed number of clients: beyond it, new ones share one place.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, ResponseError as _, web};
use governor::clock::{Clock, MonotonicClock, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;
use keyglass_protocol::label::LabelKind;
use keyglass_protocol::problem::Problem;

use super::client::{self, Client};
use super::problem::Refusal;
use crate::settings::RateLimit;

/// Clients with a place of their own: some 4 MiB.
const MAX_CLIENTS: usize = 100_000;
/// Shortest time between two searches for places that are free again.
const SWEEP: Duration = Duration::from_secs(1);

/// What a lookup of such a label costs. A handle is two proofs; telephone numbers are worth guessing.
pub(super) fn price(kind: LabelKind) -> u32 {
    match kind {
        LabelKind::Account => 1,
        LabelKind::Handle => 2,
        LabelKind::Phone => 5,
    }
}

/// A history, or a lookup with one, costs this many lookups.
pub(super) const HISTORY: u32 = 5;
/// What an update costs: signatures, a transaction, and a place in the tree for ever.
pub(super) const UPDATE: u32 = 5;

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    burst: u32,
    per_second: u32,
    remaining: u32,
    /// Time until what was refused may be tried again; zero if it was not.
    wait: Duration,
}

impl Standing {
    /// The fields of draft-ietf-httpapi-ratelimit-headers: what may be saved up, in which time it comes back, what is left.
    fn write(&self, headers: &mut HeaderMap) {
        let full = self.burst.div_ceil(self.per_second);
        let missing = self
            .burst
            .saturating_sub(self.remaining)
            .div_ceil(self.per_second);
        let fields = [
            (
                "ratelimit-policy",
                format!("\"client\";q={};w={full}", self.burst),
            ),
            (
                "ratelimit",
                format!("\"client\";r={};t={missing}", self.remaining),
            ),
        ];
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    fn refusal(&self) -> Refusal {
        let seconds = self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0);
        Refusal::new(Problem::TooManyRequests)
            .detail(format_args!("wait {seconds} s; RateLimit says what is left"))
            .retry_after(seconds.max(1))
    }
}

/// A place for each client, and no more than there is room for.
struct Places {
    taken: Mutex<HashMap<Client, Nanos>>,
    max: usize,
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, HashMap<Client, Nanos>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Places {
    type Key = Client;

    fn measure_and_replace<T, F, E>(&self, key: &Client, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut taken = self.lock();
        let key = if taken.contains_key(key) || taken.len() < self.max {
            *key
        } else {
            Client::Others
        };
        let (outcome, state) = judge(taken.get(&key).copied())?;
        taken.insert(key, state);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<Client> for Places {
    fn retain_recent(&self, drop_below: Nanos) {
        self.lock().retain(|_, state| *state > drop_below);
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// The limits and where each client stands.
pub(super) struct Limiter<C: Clock = MonotonicClock> {
    keyed: RateLimiter<Client, Places, C, StateInformationMiddleware>,
    clock: C,
    limit: RateLimit,
    max_clients: usize,
    swept: Mutex<Option<C::Instant>>,
}

impl Limiter {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self::with(limit, MonotonicClock, MAX_CLIENTS)
    }
}

impl<C: Clock + Clone> Limiter<C> {
    fn with(limit: RateLimit, clock: C, max_clients: usize) -> Self {
        let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
        Self {
            keyed: RateLimiter::new(
                quota,
                Places {
                    taken: Mutex::default(),
                    max: max_clients,
                },
                clock.clone(),
            ),
            clock,
            limit,
            max_clients,
            swept: Mutex::new(None),
        }
    }

    /// Takes `cost` from what the client has.
    ///
    /// # Errors
    /// Where the client stands if it has less.
    pub(super) fn charge(&self, client: Client, cost: NonZeroU32) -> Result<Standing, Standing> {
        self.make_room();
        let at = |remaining, wait| Standing {
            burst: self.limit.burst.get(),
            per_second: self.limit.per_second.get(),
            remaining,
            wait,
        };
        match self.keyed.check_key_n(&client, cost) {
            Ok(Ok(state)) => Ok(at(state.remaining_burst_capacity(), Duration::ZERO)),
            Ok(Err(refused)) => Err(at(0, refused.wait_time_from(self.clock.now()))),
            // More than can ever be saved up: the settings leave room for the dearest request.
            Err(_) => Err(at(0, Duration::from_secs(3600))),
        }
    }

    /// Clients who have everything back give their places up when there is no room for others.
    fn make_room(&self) {
        if self.keyed.len() < self.max_clients {
            return;
        }
        let now = self.clock.now();
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|last| Duration::from(now.duration_since(last)) >= SWEEP) {
            *swept = Some(now);
            self.keyed.retain_recent();
        }
    }
}

/// A limited client's place in the request.
struct Charged {
    client: Client,
    standing: Standing,
}

/// The limits of one port.
pub(super) struct Limits {
    limiter: Option<Limiter>,
    proxies: Vec<IpNet>,
}

impl Limits {
    pub(super) fn new(limit: Option<RateLimit>, proxies: &[IpNet]) -> Self {
        Self {
            limiter: limit.map(Limiter::new),
            proxies: proxies.to_owned(),
        }
    }
}

/// Charges 1 for every request, whatever comes of it, and says in every answer where the client stands.
pub(super) async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    if let Some(Err(standing)) = arrive(&request) {
        let mut response = request.into_response(standing.refusal().error_response());
        standing.write(response.headers_mut());
        return Ok(response.map_into_right_body());
    }
    let mut response = next.call(request).await?;
    let standing = response
        .request()
        .extensions()
        .get::<Charged>()
        .map(|c| c.standing);
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    Ok(response.map_into_left_body())
}

/// Charges a client for a request that has arrived; `None` if he is not limited.
fn arrive(request: &ServiceRequest) -> Option<Result<Standing, Standing>> {
    let limits = request.app_data::<web::Data<Limits>>()?;
    let limiter = limits.limiter.as_ref()?;
    let client = client::of(request, &limits.proxies)?;
    let outcome = limiter.charge(client, NonZeroU32::MIN);
    let (Ok(standing) | Err(standing)) = outcome;
    request.extensions_mut().insert(Charged { client, standing });
    Some(outcome)
}

/// Charges what a request costs beyond the 1 that was taken when it arrived.
pub(super) fn charge(request: &HttpRequest, cost: u32) -> Result<(), Refusal> {
    let Some(more) = NonZeroU32::new(cost.saturating_sub(1)) else {
        return Ok(());
    };
    let limits = request.app_data::<web::Data<Limits>>();
    let mut extensions = request.extensions_mut();
    let (Some(limiter), Some(charged)) = (
        limits.and_then(|l| l.limiter.as_ref()),
        extensions.get_mut::<Charged>(),
    ) else {
        return Ok(());
    };
    let outcome = limiter.charge(charged.client, more);
    let (Ok(standing) | Err(standing)) = outcome;
    charged.standing = standing;
    outcome.map(|_| ()).map_err(|standing| standing.refusal())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::net::{IpAddr, Ipv4Addr};

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn number(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    fn limiter(max_clients: usize) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let limit = RateLimit {
            per_second: number(10),
            burst: number(50),
        };
        (Limiter::with(limit, clock.clone(), max_clients), clock)
    }

    fn client(n: u32) -> Client {
        Client::from(IpAddr::V4(Ipv4Addr::from(n)))
    }

    #[test]
    fn what_is_spent_comes_back_with_time_and_nobody_else_pays() {
        let (limiter, clock) = limiter(10);
        assert_eq!(limiter.charge(client(1), number(50)).unwrap().remaining, 0);
        let refused = limiter.charge(client(1), number(5)).unwrap_err();
        assert_eq!(refused.wait, Duration::from_millis(500));
        assert_eq!(limiter.charge(client(2), number(1)).unwrap().remaining, 49);
        clock.advance(Duration::from_millis(499));
        assert!(
            limiter.charge(client(1), number(5)).is_err(),
            "a refusal costs nothing and grants nothing"
        );
        clock.advance(Duration::from_millis(1));
        assert!(limiter.charge(client(1), number(5)).is_ok());
    }

    #[test]
    fn clients_beyond_the_bound_share_a_place_until_others_leave() {
        let (limiter, clock) = limiter(3);
        for n in 0..1_000 {
            let _spent = limiter.charge(client(n), number(1));
        }
        assert!(limiter.keyed.len() <= 4, "{}", limiter.keyed.len());
        assert!(
            limiter.charge(client(5_000), number(50)).is_err(),
            "the shared place is spent"
        );
        assert_eq!(
            limiter.charge(client(1), number(49)).unwrap().remaining,
            0,
            "the first keep theirs"
        );
        clock.advance(Duration::from_secs(10));
        assert!(
            limiter.charge(client(5_000), number(50)).is_ok(),
            "places are free again"
        );
    }

    #[test]
    fn the_fields_say_what_is_left() {
        let (limiter, _clock) = limiter(3);
        let mut headers = HeaderMap::new();
        limiter.charge(client(1), number(15)).unwrap().write(&mut headers);
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"client\";q=50;w=5");
        assert_eq!(headers.get("ratelimit").unwrap(), "\"client\";r=35;t=2");
    }
}
