//! Query strings: known names, each once, decimal numbers in their one spelling.

use actix_web::HttpRequest;
use keyglass_protocol::problem::Problem;

use super::problem::Refusal;

/// The numbers of a query string, in the order of `names`.
pub(super) fn numbers<const N: usize>(
    request: &HttpRequest,
    names: [&str; N],
) -> Result<[Option<u64>; N], Refusal> {
    read(request.query_string(), names).map_err(|why| Refusal::new(Problem::MalformedRequest).detail(why))
}

/// Refuses any query string.
pub(super) fn none(request: &HttpRequest) -> Result<(), Refusal> {
    numbers(request, []).map(|[]| ())
}

fn read<const N: usize>(query: &str, names: [&str; N]) -> Result<[Option<u64>; N], &'static str> {
    let mut found = [None; N];
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("a query parameter without a value")?;
        let place = names
            .iter()
            .position(|n| *n == name)
            .ok_or("an unknown query parameter")?;
        let slot = found.get_mut(place).ok_or("an unknown query parameter")?;
        let number: u64 = value.parse().map_err(|_| "a query parameter is no number")?;
        if number.to_string() != value {
            return Err("a query parameter is not in its canonical spelling");
        }
        if slot.replace(number).is_some() {
            return Err("a query parameter stands twice");
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn each_name_once_and_canonical() {
        assert_eq!(read("", ["from", "since"]), Ok([None, None]));
        assert_eq!(
            read("since=2&from=10", ["from", "since"]),
            Ok([Some(10), Some(2)])
        );
        for bad in [
            "from",
            "from=",
            "from=01",
            "from=+1",
            "from=-1",
            "from=1&from=1",
            "form=1",
            "from=1&",
            "&",
            "from=%31",
        ] {
            assert!(read(bad, ["from", "since"]).is_err(), "{bad}");
        }
    }
}
