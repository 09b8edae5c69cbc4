//! What happens around every request.

use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError as _, web};
use keyglass_protocol::problem::Problem;

use super::State;
use super::problem::Refusal;

/// Refuses what no route takes, counts and times every request.
pub(super) async fn observe<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let started = Instant::now();
    let state = request.app_data::<web::Data<State>>().cloned();
    let mut response = if request.headers().contains_key(CONTENT_ENCODING) {
        // Nothing here decompresses: a bomb would be the client's own problem.
        let refusal = Refusal::new(Problem::UnsupportedMediaType)
            .detail("no Content-Encoding is accepted")
            .close();
        request
            .into_response(refusal.error_response())
            .map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    response.headers_mut().insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    if let Some(state) = state {
        let metrics = &state.reads.metrics;
        let route = response.request().match_pattern();
        metrics.http_request(route.as_deref(), response.status().as_u16(), started.elapsed());
        if let Some(problem) = response.response().extensions().get::<Problem>() {
            metrics.problem(problem.code());
        }
    }
    Ok(response)
}
