//! Media types: what a request's body is, and what the client wants back.

use axum::http::{HeaderMap, HeaderValue, header};

/// A form that an answer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/graphql-response+json`: the status means something.
    GraphqlResponse,
    /// `application/json`: 200 for whatever GraphQL itself found wrong.
    Json,
    /// `text/event-stream`: server-sent events.
    EventStream,
}

impl Media {
    /// The `content-type` of an answer of this form.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::EventStream => "text/event-stream; charset=utf-8",
        })
    }
}

/// The form that the `accept` headers prefer; `None` when they take none of ours. Without
/// any, JSON, as clients older than the specification expect.
pub fn accepted(headers: &HeaderMap) -> Option<Media> {
    let mut best: Option<(u16, Media)> = None;
    let mut any = false;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            if name.is_empty() {
                continue;
            }
            any = true;
            let mut quality = 1000;
            let mut utf8 = true;
            for parameter in parts {
                let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                match key.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = thousandths(value.trim()),
                    "charset" => utf8 = is_utf8(value),
                    _ => {}
                }
            }
            let media = match name.as_str() {
                "application/graphql-response+json" => Media::GraphqlResponse,
                "application/json" | "application/*" | "*/*" => Media::Json,
                "text/event-stream" | "text/*" => Media::EventStream,
                _ => continue,
            };
            // The first of equals: clients write what they like best first.
            if quality > 0 && utf8 && best.is_none_or(|(q, _)| quality > q) {
                best = Some((quality, media));
            }
        }
    }
    if any {
        best.map(|(_, media)| media)
    } else {
        Some(Media::Json)
    }
}

/// `0.5` is 500; nonsense is 0.
fn thousandths(text: &str) -> u16 {
    match text.parse::<f32>() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 0 to 1000"
        )]
        Ok(it) if (0.0..=1.0).contains(&it) => (it * 1000.0) as u16,
        _ => 0,
    }
}

fn is_utf8(charset: &str) -> bool {
    let charset = charset.trim().trim_matches('"');
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

/// Whether the body is `application/json` in UTF-8.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok())
    else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let json = parts
        .next()
        .is_some_and(|it| it.eq_ignore_ascii_case("application/json"));
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some((key, value)) if key.trim().eq_ignore_ascii_case("charset") => is_utf8(value),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(text: &str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, text.parse().unwrap());
        accepted(&headers)
    }

    #[test]
    fn what_is_accepted() {
        assert_eq!(accepted(&HeaderMap::new()), Some(Media::Json));
        assert_eq!(accept("*/*"), Some(Media::Json));
        assert_eq!(accept("application/*"), Some(Media::Json));
        assert_eq!(
            accept("application/graphql-response+json"),
            Some(Media::GraphqlResponse)
        );
        assert_eq!(
            accept(
                "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8"
            ),
            Some(Media::GraphqlResponse)
        );
        assert_eq!(
            accept("application/graphql-response+json;q=0.5, application/json"),
            Some(Media::Json)
        );
        assert_eq!(accept("text/event-stream"), Some(Media::EventStream));
        assert_eq!(accept("text/html, */*;q=0.1"), Some(Media::Json));
        assert_eq!(accept("text/html"), None);
        assert_eq!(accept("application/json;q=0"), None);
        assert_eq!(accept("application/json; charset=latin1"), None);
    }

    #[test]
    fn what_is_json() {
        let json = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
            is_json(&headers)
        };
        assert!(json("application/json"));
        assert!(json("Application/JSON; charset=UTF-8"));
        assert!(!json("application/json; charset=utf-16"));
        assert!(!json("text/plain"));
        assert!(!json("application/x-www-form-urlencoded"));
        assert!(!json("multipart/form-data; boundary=x"));
        assert!(!json("application/jsonx"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
