//! Who is calling: the bearer token, for whom a service acts, the client's address.
//!
//! A token comes in the `Authorization` header (or in a socket's `connection_init`), and
//! nowhere else: a cookie would be sent by foreign pages, and an address is kept in logs and
//! histories.

use std::net::IpAddr;

use app::{
    Viewer,
    identity::{act_as, check_token},
};
use axum::http::{HeaderMap, StatusCode, header};
use domain::identity::{TokenText, UserId};
use graphql::code;
use ipnet::IpNet;

use crate::{refusal::Refusal, serve::Gateway};

/// For whom a service acts.
pub const ACT_AS: &str = "x-anima-act-as";
/// Asks for `extensions.cost`.
pub const COST: &str = "x-anima-cost";
/// The request's id.
pub const REQUEST_ID: &str = "x-request-id";

impl Gateway {
    /// The viewer of a request's headers; nobody known without a token.
    ///
    /// # Errors
    /// A token that is none, an address with too many of those, or a person to act for that
    /// the viewer may not act for.
    pub async fn viewer(&self, headers: &HeaderMap, address: IpAddr) -> Result<Viewer, Refusal> {
        let viewer = match bearer(headers)? {
            None => Viewer::anonymous(),
            Some(token) => self.viewer_of_token(token, address).await?,
        };
        let Some(person) = headers.get(ACT_AS) else {
            return Ok(viewer);
        };
        let person = person
            .to_str()
            .map_err(|_| Refusal::bad_request("X-Anima-Act-As is not the id of a user"))?;
        self.acting_for(viewer, person).await
    }

    /// The viewer of a bearer token.
    ///
    /// # Errors
    /// As [`Gateway::viewer`].
    pub async fn viewer_of_token(&self, token: &str, address: IpAddr) -> Result<Viewer, Refusal> {
        check_token(&self.services, token, Some(address))
            .await
            .map_err(|error| match error {
                app::Error::Unauthenticated => Refusal::new(
                    StatusCode::UNAUTHORIZED,
                    code::UNAUTHENTICATED,
                    "the access token is wrong, expired or revoked",
                ),
                other => other.into(),
            })
    }

    /// The viewer, acting for the person that `X-Anima-Act-As` names.
    ///
    /// # Errors
    /// When the viewer is no service, or the text no user's id.
    pub async fn acting_for(&self, viewer: Viewer, person: &str) -> Result<Viewer, Refusal> {
        let person: UserId = person
            .parse()
            .map_err(|error| Refusal::bad_request(format!("X-Anima-Act-As: {error}")))?;
        let cx = self.services.cx(viewer, app::Request::default());
        Ok(act_as(&cx, person).await?)
    }

    /// The client's address: the peer's, or what a trusted proxy says it is.
    pub fn client_address(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        client_address(&self.config.trusted_proxy, headers, peer)
    }
}

/// The token of an `Authorization: Bearer …` header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(strip_bearer);
    match (token, values.next()) {
        (Some(token), None) => Ok(Some(token)),
        _ => Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            code::UNAUTHENTICATED,
            "Authorization must be \"Bearer\" and an access token, once",
        )),
    }
}

/// The token after the word `Bearer`, in any case.
pub fn strip_bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whether a query string carries what must not be in an address.
pub fn token_in_query(query: &str) -> bool {
    form_pairs(query).any(|(key, value)| {
        let key = key.to_ascii_lowercase();
        let value = strip_bearer(&value).unwrap_or(&value).to_owned();
        matches!(
            key.as_str(),
            "token" | "access_token" | "authorization" | "api_key" | "apikey"
        ) || value.parse::<TokenText>().is_ok()
    })
}

/// The pairs of an `application/x-www-form-urlencoded` text.
pub fn form_pairs(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.split('&').filter(|it| !it.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_decoded(key), form_decoded(value))
    })
}

fn form_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        i += 1;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => match bytes.get(i..i + 2).and_then(hex_pair) {
                Some(it) => {
                    decoded.push(it);
                    i += 2;
                }
                None => decoded.push(b'%'),
            },
            other => decoded.push(other),
        }
    }
    // What is no UTF-8 becomes U+FFFD, which no document or JSON text means anything by.
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |it: u8| char::from(it).to_digit(16);
    let &[high, low] = pair else { return None };
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn client_address(trusted: &[IpNet], headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let is_trusted = |it: &IpAddr| trusted.iter().any(|net| net.contains(&it.to_canonical()));
    if !is_trusted(&peer) {
        return peer;
    }
    // Each proxy appends who connected to it; the last one that is not ours is the client.
    let mut hops: Vec<IpAddr> = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        for hop in value.to_str().unwrap_or_default().split(',') {
            match hop.trim().parse() {
                Ok(it) => hops.push(it),
                // What stands left of nonsense is the client's own word.
                Err(_) => hops.clear(),
            }
        }
    }
    hops.iter()
        .rev()
        .find(|it| !is_trusted(it))
        .or(hops.first())
        .copied()
        .unwrap_or(peer)
}

/// A client's own request id, if it is harmless in a log and a header.
pub fn sane_request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let harmless = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
    ((1..=128).contains(&id.len()) && id.bytes().all(harmless)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let proxy: IpAddr = "10.0.0.7".parse().unwrap();
        let trusted = [crate::value::network("10.0.0.0/8").unwrap()];
        let client = |trusted: &[IpNet], values: &[&str]| {
            client_address(trusted, &forwarded(values), proxy).to_string()
        };
        assert_eq!(client(&[], &["198.51.100.1"]), "10.0.0.7");
        assert_eq!(client(&trusted, &["198.51.100.1"]), "198.51.100.1");
        // A client that writes the header itself is one more hop to the left.
        assert_eq!(
            client(&trusted, &["1.2.3.4, 198.51.100.1, 10.0.0.9"]),
            "198.51.100.1"
        );
        assert_eq!(
            client(&trusted, &["1.2.3.4", "198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(
            client(&trusted, &["1.2.3.4, nonsense, 198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(client(&trusted, &["nonsense"]), "10.0.0.7");
        assert_eq!(client(&trusted, &[]), "10.0.0.7");
        assert_eq!(client(&trusted, &["10.0.0.8"]), "10.0.0.8");
    }

    #[test]
    fn a_token_is_seen_in_a_query_string() {
        let token = TokenText::from_random([7; 5], [9; 32]).reveal();
        let encoded = token.replace('_', "%5F");
        for query in [
            format!("x={token}"),
            format!("query=%7Ba%7D&whatever={encoded}"),
            format!("a=Bearer+{token}"),
            "token=abc".to_owned(),
            "Authorization=Bearer%20abc".to_owned(),
            "access_token=".to_owned(),
        ] {
            assert!(token_in_query(&query), "{query}");
        }
        for query in [
            "",
            "query={viewer{role}}",
            "query={token}",
            "operationName=token",
        ] {
            assert!(!token_in_query(query), "{query}");
        }
    }

    #[test]
    fn form_text_is_decoded() {
        let pairs: Vec<_> = form_pairs("query=%7Ba%7D+b&x&&y=%zz%4").collect();
        let expected = [("query", "{a} b"), ("x", ""), ("y", "%zz%4")];
        let expected: Vec<_> = expected
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        assert_eq!(pairs, expected);
    }
}
