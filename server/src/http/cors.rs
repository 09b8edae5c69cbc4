//! Verifiers on the web: any page may read, none may write.
//!
//! Everything that is read here proves itself and is the same for everybody, and nothing is known by cookies, so there is
//! no origin to be careful with. Updates are not for other people's pages.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL,
    HeaderValue, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

const METHODS: &str = "GET, HEAD, POST";
const HEADERS: &str = "accept, authorization, content-type, if-none-match";
const EXPOSED: &str =
    "etag, keyglass-registration, ratelimit, ratelimit-policy, retry-after, www-authenticate";
/// Seconds for which a browser need not ask again.
const MAX_AGE: u32 = 86_400;

/// Answers preflights, and lets any page read every answer.
pub(super) async fn cors<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight {
        request.into_response(allowed()).map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    Ok(response)
}

fn allowed() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
        .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((
            VARY,
            "access-control-request-method, access-control-request-headers",
        ))
        .finish()
}
